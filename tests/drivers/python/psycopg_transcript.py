"""What psycopg 3 sees of a server: one transcript for each of many clients at once.

The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
Connection parameters come from libpq's environment; WATCH_PORT is that of PostgreSQL itself, by which
a query is known to run before it is cancelled, and a notification comes while its listener is idle.
"""

import datetime
import decimal
import os
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb
from psycopg.types.range import Range

CLIENTS = int(os.environ["CLIENTS"])
WAIT_S = 300


def state(call):
    """The SQLSTATE with which a call fails."""
    try:
        call()
    except psycopg.Error as error:
        return error.sqlstate
    return "no error"


def value(connection, query, *parameters):
    return connection.execute(query, parameters or None).fetchone()[0]


def watcher():
    return psycopg.connect(f"port={os.environ['WATCH_PORT']}", autocommit=True)


def simple(connection, number, table):
    cursor = psycopg.ClientCursor(connection)
    cursor.execute("select 1 as one; select 'two' as two")
    yield cursor.fetchall()
    cursor.nextset()
    yield cursor.fetchall()
    yield psycopg.RawCursor(connection).execute("select $1::int + $1", [number]).fetchall()


def types(connection, number, table):
    moment = datetime.datetime(2001, 2, 3, 4, 5, 6, 789, tzinfo=datetime.timezone.utc)
    values = (
        number, "é\n", b"\x00\xff", [1, None, number], [["a", "b"], ["c", None]], Jsonb({"a": [1, None]}),
        Json([1.5, "x"]), decimal.Decimal("12345.678900"), uuid.UUID(int=number), moment, moment.date(),
        datetime.timedelta(days=1, seconds=2), Range(1, 9), True, None,
    )
    for binary in (False, True):
        cursor = connection.cursor(binary=binary, row_factory=dict_row)
        marks = ", ".join(f"{'%b' if binary else '%s'} as c{place}" for place in range(len(values)))
        cursor.execute(f"select {marks}", values)
        yield cursor.fetchone()
        yield [(column.name, column.type_code) for column in cursor.description]


def statements(connection, number, table):
    """The same texts often, and more of them than the cache of the driver holds."""
    connection.prepare_threshold, connection.prepared_max = 1, 5
    for _ in range(3):
        yield [value(connection, f"select %s + {step}", number) for step in range(12)]
    connection.execute("deallocate all", prepare=False)
    yield state(lambda: value(connection, "select %s + 11", number))
    connection.prepared_max = 100
    for step in range(4):
        yield connection.execute("select %s::int * 2", (step,), prepare=True).fetchall()
    yield connection.execute("select %s::numeric", (number,), prepare=False).fetchall()


def transactions(connection, number, table):
    with connection.transaction():
        connection.execute(f"create table {table} (id serial primary key, word text)")
        connection.execute(f"insert into {table} (word) values ('kept')")
        with connection.transaction(force_rollback=True):
            connection.execute(f"insert into {table} (word) values ('rolled back to a savepoint')")
    with connection.transaction(force_rollback=True):
        connection.execute(f"insert into {table} (word) values ('rolled back')")
    yield connection.execute(f"select * from {table} order by id").fetchall()
    connection.autocommit = False
    for level in psycopg.IsolationLevel:
        connection.isolation_level, connection.read_only = level, level.value % 2 == 0
        yield value(connection, "show transaction_isolation"), value(connection, "show transaction_read_only")
        connection.rollback()
    connection.isolation_level = connection.read_only = None
    connection.autocommit = True


def errors(connection, number, table):
    connection.execute("begin")
    connection.execute(f"insert into {table} (word) values ('lost')")
    yield state(lambda: connection.execute("select 1 / 0"))
    yield state(lambda: connection.execute("select 1"))
    yield connection.info.transaction_status.name
    connection.execute("rollback")
    yield state(lambda: connection.execute(f"insert into {table} values (1, 'twice')"))
    yield state(lambda: connection.execute("selec 1"))
    yield connection.execute(f"select count(*) from {table}").fetchall()


def cursors(connection, number, table):
    query = "select n from generate_series(1, 20) n"
    with connection.transaction():
        with connection.cursor("own", scrollable=True) as cursor:
            cursor.itersize = 3
            cursor.execute(query)
            yield cursor.fetchmany(4), cursor.fetchone()
            cursor.scroll(-3)
            yield cursor.fetchone()
            cursor.scroll(15, mode="absolute")
            yield list(cursor)
    with connection.cursor("held", withhold=True) as cursor:
        cursor.execute(query)
        yield cursor.fetchmany(3)
        yield value(connection, "select 'between'")
        yield cursor.fetchmany(2), len(cursor.fetchall())
    yield state(lambda: connection.execute("fetch held"))
    yield [row[0] for row in connection.cursor().stream("select generate_series(1, %s)", (number,))]


def copies(connection, number, table):
    cursor = connection.cursor()
    with cursor.copy(f"copy {table} from stdin") as stream:
        for step in range(50):
            stream.write_row((100 + step, f"row {step}"))
    yield cursor.rowcount
    with cursor.copy(f"copy {table} from stdin (format binary)") as stream:
        stream.set_types(["int4", "text"])
        stream.write_row((200, "é\n"))
        stream.write_row((201, None))
    for form in ["text", "csv", "binary"]:
        chosen = f"(select * from {table} where id > 147 order by id)"
        with cursor.copy(f"copy {chosen} to stdout (format {form})") as stream:
            yield b"".join(stream)
    with cursor.copy(f"copy (select * from {table} where id > 198 order by id) to stdout (format binary)") as stream:
        stream.set_types(["int4", "text"])
        yield list(stream.rows())
    with cursor.copy("copy (select n, repeat('x', 100) from generate_series(1, 5000) n) to stdout") as stream:
        yield sum(len(chunk) for chunk in stream)

    def refused():
        with cursor.copy(f"copy {table} from stdin") as stream:
            stream.write("not a number\tx\n")

    def given_up():
        with cursor.copy(f"copy {table} from stdin") as stream:
            stream.write_row((300, "x"))
            raise psycopg.DataError("changed its mind")

    yield state(refused)
    yield state(given_up)
    yield value(connection, f"select count(*) from {table}")


def pipelines(connection, number, table):
    with connection.pipeline():
        results = [connection.execute("select %s::int", (number + step,)) for step in range(20)]
    yield [result.fetchone() for result in results]

    def fails():
        with connection.pipeline():
            connection.execute("select 1")
            connection.execute("select 1 / 0")
            connection.execute("select 3")

    yield state(fails)
    with connection.pipeline() as pipeline, connection.transaction():
        connection.execute(f"insert into {table} values (400, 'pipelined')")
        pipeline.sync()
        connection.execute("set local work_mem = '3MB'")
        memory = connection.execute("show work_mem")
    yield memory.fetchone(), value(connection, "show work_mem")
    cursor = connection.cursor()
    rows = [(f"many {step}",) for step in range(30)]
    cursor.executemany(f"insert into {table} (word) values (%s) returning word", rows, returning=True)
    seen = [cursor.fetchone()]
    while cursor.nextset():
        seen.append(cursor.fetchone())
    yield seen[::7]
    taken = [(500, "new"), (400, "taken"), (501, "new")]
    yield state(lambda: cursor.executemany(f"insert into {table} values (%s, %s)", taken))
    yield value(connection, f"select count(*) from {table}")


def settings(connection, number, table):
    both = "select current_setting('TimeZone'), current_setting('work_mem')"
    with connection.transaction():
        connection.execute("set local timezone = 'Asia/Tokyo'")
        connection.execute("select set_config('work_mem', '7MB', true)")
        yield connection.execute(both).fetchone()
    yield connection.execute(both).fetchone()
    connection.execute(f"set work_mem = '{number + 1}MB'; set timezone = 'America/Lima'")
    yield connection.info.parameter_status("TimeZone"), str(connection.info.timezone)
    yield [value(connection, "show work_mem") for _ in range(3)]
    connection.execute(sql.SQL("set application_name = {}").format(sql.Literal(f"client {number}")))
    connection.execute("set client_encoding to latin1")
    yield connection.info.encoding, value(connection, "select 'é'")
    connection.execute("reset all")
    yield connection.info.encoding, connection.execute(both).fetchone()


def session(connection, number, table):
    """What holds a connection, each thing until it is given back."""
    connection.execute("create temp table own (n int)")
    connection.execute("insert into own values (%s)", (number,))
    yield value(connection, "select n from own")
    connection.execute("drop table own")
    yield state(lambda: value(connection, "select n from own"))
    with connection.transaction():
        connection.execute("create temp table own (n int) on commit drop")
        yield value(connection, "select count(*) from own")
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    connection.execute("select pg_advisory_lock(%s)", (number,))
    yield value(connection, held), value(connection, "select pg_advisory_unlock(%s)", number)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s, 7)", (number,))
        yield value(connection, held)
    yield value(connection, held)
    connection.execute("prepare q as select 'by sql'")
    yield value(connection, "execute q")
    notices = []
    connection.add_notice_handler(lambda notice: notices.append((notice.severity, notice.message_primary)))
    connection.execute("do $$ begin raise notice 'from a block'; end $$")
    yield notices
    connection.execute("discard all", prepare=False)
    yield state(lambda: connection.execute("execute q"))


def notifications(connection, number, table):
    connection.execute(f"listen {table}")
    connection.execute(f"notify {table}, 'from itself'")
    with watcher() as other:
        heard = connection.notifies(timeout=WAIT_S, stop_after=1)
        yield [(notify.channel, notify.payload) for notify in heard]
        other.execute(f"notify {table}, 'while idle'")
        heard = connection.notifies(timeout=WAIT_S, stop_after=1)
        yield [(notify.channel, notify.payload) for notify in heard]
    connection.execute("unlisten *")
    yield connection.execute("select pg_listening_channels()").fetchall()


def two_phase(connection, number, table):
    connection.autocommit = False
    for end in ["commit", "rollback"]:
        xid = connection.xid(number, table, end)
        connection.tpc_begin(xid)
        connection.execute(f"insert into {table} values (600, %s)", (end,))
        connection.tpc_prepare()
        getattr(connection, f"tpc_{end}")()
        yield connection.execute(f"delete from {table} where id = 600 returning word").fetchall()
        connection.commit()
    connection.tpc_begin(connection.xid(number, table, "one phase"))
    connection.execute(f"insert into {table} values (601, 'in one phase')")
    connection.tpc_commit()
    # One of which only the name is known, as after a crash.
    connection.execute(f"insert into {table} values (602, 'recovered')")
    connection.execute(f"prepare transaction '{connection.xid(number, table, 'found')}'")
    connection.rollback()
    for xid in connection.tpc_recover():
        if xid.gtrid == table:
            yield str(xid)
            connection.tpc_commit(xid)
    connection.autocommit = True
    yield connection.execute(f"select word from {table} where id > 599").fetchall()


def large_objects(connection, number, table):
    with connection.transaction():
        oid = value(connection, "select lo_create(0)")
        handle = value(connection, "select lo_open(%s, 131072)", oid)
        yield value(connection, "select lowrite(%s, %s)", handle, b"large" * 1000)
        yield value(connection, "select lo_lseek(%s, 5, 0)", handle)
        yield value(connection, "select loread(%s, 8)", handle)
    yield value(connection, "select length(lo_get(%s))", oid), value(connection, "select lo_unlink(%s)", oid)


def until_running(marker):
    query = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like %s"
    with watcher() as other:
        deadline = time.monotonic() + WAIT_S
        while value(other, query, f"select pg_sleep(600) /* {marker} */%") == 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{marker} does not run")
            time.sleep(0.01)


def cancels(connection, number, table):
    def canceller():
        until_running(table)
        connection.cancel_safe()

    for block in ["rollback", "begin"]:
        connection.execute(block)
        thread = threading.Thread(target=canceller)
        thread.start()
        yield state(lambda: connection.execute(f"select pg_sleep(600) /* {table} */"))
        thread.join()
        yield state(lambda: connection.execute("select 'lives'"))
    connection.execute("rollback")


PARTS = [
    simple, types, statements, transactions, errors, cursors, copies, pipelines, settings, session,
    notifications, two_phase, large_objects, cancels,
]


def transcript(number):
    lines = []
    with psycopg.connect("", autocommit=True) as connection:
        lines.append(f"tls {connection.pgconn.ssl_in_use}")
        lines.append(f"scram {connection.pgconn.used_password}")
        for part in PARTS:
            for seen in part(connection, number, f"psycopg{number}"):
                lines.append(f"{part.__name__} {seen!r}")
    return lines


def main():
    with ThreadPoolExecutor(CLIENTS) as executor:
        for number, lines in enumerate(executor.map(transcript, range(CLIENTS))):
            print("\n".join(f"{number} {line}" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
