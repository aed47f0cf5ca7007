"""What psycopg 3 sees of a server: one transcript for each of many clients at once.

The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
Connection parameters come from libpq's environment; WATCH_PORT is that of PostgreSQL itself, by which
a query is known to run before it is cancelled.
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

CLIENTS = int(os.environ["CLIENTS"])
WAIT_S = 60


def state(call):
    """The SQLSTATE with which a call fails."""
    try:
        call()
    except psycopg.Error as error:
        return error.sqlstate
    return "no error"


def simple(connection):
    cursor = psycopg.ClientCursor(connection)
    cursor.execute("select 1 as one; select 'two' as two")
    yield cursor.fetchall()
    cursor.nextset()
    yield cursor.fetchall()


def prepared(connection, number):
    sql = "select %s::int + %s::int, %s::text, %s::jsonb, %s::bytea, %s::int[], null, now() is null"
    for step in range(3):
        values = (number, step, "é\n", '{"a": [1, null]}', b"\x00\xff", [1, 2, step])
        yield connection.execute(sql, values, prepare=True).fetchall()
    yield connection.execute("select %s::numeric", (number,), prepare=False).fetchall()
    yield connection.execute("select %b::int8", (number,), binary=True).fetchall()


def transaction(connection, table):
    with connection.transaction():
        connection.execute(f"create table {table} (id int primary key, word text)")
        connection.execute(f"insert into {table} values (1, 'kept')")
    with connection.transaction(force_rollback=True):
        connection.execute(f"insert into {table} values (2, 'rolled back')")
    yield connection.execute(f"select * from {table} order by id").fetchall()


def error_inside(connection, table):
    connection.execute("begin")
    connection.execute(f"insert into {table} values (3, 'lost')")
    yield state(lambda: connection.execute("select 1 / 0"))
    yield state(lambda: connection.execute("select 1"))
    yield connection.info.transaction_status.name
    connection.execute("rollback")
    yield state(lambda: connection.execute(f"insert into {table} values (1, 'twice')"))
    yield connection.execute(f"select count(*) from {table}").fetchall()


def copy(connection, table):
    cursor = connection.cursor()
    with cursor.copy(f"copy {table} from stdin") as stream:
        for number in range(10, 15):
            stream.write_row((number, f"row {number}"))
    yield cursor.rowcount
    with cursor.copy(f"copy (select * from {table} order by id) to stdout") as stream:
        yield list(stream.rows())

    def refused():
        with cursor.copy(f"copy {table} from stdin") as stream:
            stream.write("not a number\tx\n")

    yield state(refused)


def pipeline(connection, number):
    with connection.pipeline():
        cursors = [connection.execute("select %s::int", (number + step,)) for step in range(5)]
    yield [cursor.fetchone() for cursor in cursors]

    def fails():
        with connection.pipeline():
            connection.execute("select 1")
            connection.execute("select 1 / 0")
            connection.execute("select 3")

    yield state(fails)


def until_running(marker):
    sql = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like %s"
    with psycopg.connect(f"port={os.environ['WATCH_PORT']}", autocommit=True) as watcher:
        deadline = time.monotonic() + WAIT_S
        while watcher.execute(sql, (f"select pg_sleep(600) /* {marker} */%",)).fetchone()[0] == 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{marker} does not run")
            time.sleep(0.01)


def cancel(connection, table):
    def canceller():
        until_running(table)
        connection.cancel_safe()

    thread = threading.Thread(target=canceller)
    thread.start()
    yield state(lambda: connection.execute(f"select pg_sleep(600) /* {table} */"))
    thread.join()
    yield connection.execute("select 'lives'").fetchall()


def transcript(number):
    table = f"python{number}"
    lines = []
    with psycopg.connect("", autocommit=True) as connection:
        lines.append(f"tls {connection.pgconn.ssl_in_use}")
        lines.append(f"scram {connection.pgconn.used_password}")
        parts = [
            simple(connection),
            prepared(connection, number),
            transaction(connection, table),
            error_inside(connection, table),
            copy(connection, table),
            pipeline(connection, number),
            cancel(connection, table),
        ]
        for part in parts:
            lines.extend(f"{part.__name__} {value!r}" for value in part)
    return lines


def main():
    with ThreadPoolExecutor(CLIENTS) as executor:
        for number, lines in enumerate(executor.map(transcript, range(CLIENTS))):
            print("\n".join(f"{number} {line}" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
