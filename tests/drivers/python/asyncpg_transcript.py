"""What asyncpg sees of a server: one transcript for each of many clients at once.

The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
Connection parameters come from libpq's environment; WATCH_PORT is that of PostgreSQL itself, by which
a query is known to run before it is cancelled, and a notification comes while its listener is idle.
"""

import asyncio
import datetime
import decimal
import io
import json
import os
import ssl
import uuid

import asyncpg

CLIENTS = int(os.environ["CLIENTS"])
WAIT_S = 300
TLS = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])


def connect(**settings):
    return asyncpg.connect(host="localhost", ssl=TLS, **settings)


async def state(awaitable):
    """The SQLSTATE with which an awaitable fails."""
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        return error.sqlstate
    return "no error"


async def values(connection, number, table, watcher):
    sql = "select $1::int + $2, $3::text, $4::bytea, $5::int[], $6::numeric, $7::uuid, $8::text[][]"
    for step in range(6):
        row = await connection.fetchrow(
            sql, number, step, "é\n", b"\x00\xff", [1, None, step],
            decimal.Decimal("12345.678900"), uuid.UUID(int=number), [["a", "b"], ["c", None]],
        )
        yield tuple(row)
    moment = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    sql = "select $1::timestamptz, $2::date, $3::interval, int4range($4, 9), ($4, 'x')::record"
    yield tuple(await connection.fetchrow(sql, moment, moment.date(), moment - moment, number % 9))
    yield await connection.fetchval("select array_agg(n) from generate_series(1, $1::int) n", number)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    yield await connection.fetchval("select $1::jsonb || '{\"b\": 2}'", {"a": [1, None]})
    yield await connection.execute("select 1; select 2")


async def statements(connection, number, table, watcher):
    """The same text prepared many times, and more texts than the cache of the driver holds."""
    prepared = [await connection.prepare("select $1::int * 2") for _ in range(4)]
    yield [await one.fetchval(number) for one in prepared]
    yield [(item.name, item.type.name) for item in prepared[0].get_attributes()]
    yield prepared[0].get_statusmsg()
    yield sum([await connection.fetchval(f"select {number % 2} + {step}") for step in range(120)])
    await connection.execute("deallocate all")
    yield await state(connection.fetchval("select $1::int * 2", number))
    await connection.reload_schema_state()
    yield await connection.fetchval("select $1::int * 3", number)


async def transactions(connection, number, table, watcher):
    await connection.execute(f"create table {table} (id serial primary key, word text)")
    async with connection.transaction():
        yield await connection.fetchval(f"insert into {table} (word) values ('kept') returning id")
        nested = connection.transaction()
        await nested.start()
        await connection.execute(f"insert into {table} (word) values ('lost')")
        yield await state(connection.execute("select 1 / 0"))
        yield await state(connection.execute("select 1"))
        await nested.rollback()
        yield await connection.fetchval("select 'goes on'")
    for isolation in ["serializable", "repeatable_read", "read_committed"]:
        async with connection.transaction(isolation=isolation, readonly=True):
            yield await connection.fetchval("show transaction_isolation")
            yield await connection.fetchval("show transaction_read_only")
    yield [tuple(row) for row in await connection.fetch(f"select * from {table} order by id")]


async def cursors(connection, number, table, watcher):
    sql = "select n from generate_series(1, $1::int) n"
    async with connection.transaction():
        yield [row[0] async for row in connection.cursor(sql, 20, prefetch=3)]
        cursor = await connection.cursor(sql, 20)
        yield [row[0] for row in await cursor.fetch(4)], await cursor.forward(3)
        yield [row[0] for row in await cursor.fetch(100)]
    await connection.execute("declare held cursor with hold for select generate_series(1, 4)")
    yield [row[0] for row in await connection.fetch("fetch 3 from held")]
    await connection.execute("close held")
    yield await state(connection.fetch("fetch held"))


async def copies(connection, number, table, watcher):
    records = [(100 + step, f"row {step}") for step in range(50)]
    yield await connection.copy_records_to_table(table, records=records, columns=["id", "word"])
    source = io.BytesIO(b"200,with comma\n201,\n")
    yield await connection.copy_to_table(table, source=source, format="csv", columns=["id", "word"])
    for form in ["text", "csv", "binary"]:
        sink = io.BytesIO()
        sql = f"select * from {table} where id >= $1 order by id"
        yield await connection.copy_from_query(sql, 148, output=sink, format=form)
        yield sink.getvalue()
    yield await state(connection.copy_to_table(table, source=io.BytesIO(b"x\ty\n")))
    sql = f"insert into {table} values ($1, $2)"
    yield await connection.executemany(sql, [(300 + step, "many") for step in range(40)])
    yield await state(connection.executemany(sql, [(400, "new"), (300, "taken"), (401, "new")]))
    yield await connection.fetchval(f"select count(*) from {table}")


async def settings(connection, number, table, watcher):
    async with connection.transaction():
        await connection.execute("set local timezone = 'Asia/Tokyo'")
        await connection.execute("select set_config('work_mem', '7MB', true)")
        yield await connection.fetchrow("select current_setting('TimeZone'), current_setting('work_mem')")
    yield await connection.fetchrow("select current_setting('TimeZone'), current_setting('work_mem')")
    await connection.execute(f"set work_mem = '{number + 1}MB'; set timezone = 'America/Lima'")
    yield connection.get_settings().TimeZone
    yield [await connection.fetchval("show work_mem") for _ in range(3)]
    yield await connection.fetchval("select '2001-01-01'::timestamptz::text")
    await connection.reset()
    yield connection.get_settings().TimeZone, connection.get_settings().application_name
    yield await connection.fetchrow("select current_setting('TimeZone'), current_setting('work_mem')")


async def session(connection, number, table, watcher):
    """What holds a connection, each thing until it is given back."""
    await connection.execute("create temp table own (n int)")
    await connection.execute("insert into own values ($1)", number)
    yield await connection.fetchval("select n from own")
    await connection.execute("drop table own")
    yield await state(connection.fetchval("select n from own"))
    await connection.execute("select pg_advisory_lock($1)", number)
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    yield await connection.fetchval(held)
    yield await connection.fetchval("select pg_advisory_unlock($1)", number)
    async with connection.transaction():
        await connection.execute("create temp table own (n int) on commit drop")
        await connection.execute("select pg_advisory_xact_lock($1)", number)
        yield await connection.fetchval("select count(*) from own"), await connection.fetchval(held)
    yield await connection.fetchval(held)
    await connection.execute("prepare q as select 'by sql'")
    yield await connection.fetchval("execute q")
    await connection.execute("discard all")
    yield await state(connection.execute("execute q"))


async def notifications(connection, number, table, watcher):
    heard = asyncio.Queue()
    await connection.add_listener(table, lambda *event: heard.put_nowait(event[2:]))
    await connection.execute(f"notify {table}, 'from itself'")
    yield await asyncio.wait_for(heard.get(), WAIT_S)
    await watcher.execute(f"notify {table}, 'while idle'")
    yield await asyncio.wait_for(heard.get(), WAIT_S)
    await connection.reset()
    yield await connection.fetch("select pg_listening_channels()")
    await connection.execute("discard all")


async def two_phase(connection, number, table, watcher):
    for end in ["commit", "rollback"]:
        await connection.execute("begin")
        await connection.execute(f"insert into {table} values (500, '{end}')")
        yield await connection.execute(f"prepare transaction '{table}'")
        sql = "select count(*) from pg_prepared_xacts where gid = $1"
        yield await connection.fetchval(sql, table)
        yield await connection.execute(f"{end} prepared '{table}'")
        yield await connection.fetchval(f"delete from {table} where id = 500 returning word")


async def large_objects(connection, number, table, watcher):
    async with connection.transaction():
        oid = await connection.fetchval("select lo_create(0)")
        handle = await connection.fetchval("select lo_open($1, 131072)", oid)
        yield await connection.fetchval("select lowrite($1, $2)", handle, b"large" * 1000)
        yield await connection.fetchval("select lo_lseek($1, 5, 0)", handle)
        yield await connection.fetchval("select loread($1, 8)", handle)
    yield await connection.fetchval("select length(lo_get($1))", oid)
    yield await connection.fetchval("select lo_unlink($1)", oid)


async def until_running(watcher, marker):
    sql = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like $1"
    async with asyncio.timeout(WAIT_S):
        while await watcher.fetchval(sql, f"select pg_sleep(600) /* {marker} */%") == 0:
            await asyncio.sleep(0.02)


async def cancels(connection, number, table, watcher):
    """Ended by the driver, which sends a CancelRequest, and from beside."""
    query = f"select pg_sleep(600) /* {table} */"
    task = asyncio.create_task(connection.execute(query))
    await until_running(watcher, table)
    task.cancel()
    yield type((await asyncio.gather(task, return_exceptions=True))[0]).__name__
    yield await connection.fetchval("select 'lives'")
    task = asyncio.create_task(state(connection.execute(query)))
    await until_running(watcher, table)
    # A connection that ran this before and is idle now keeps the text, and may serve somebody else.
    sql = (
        "select count(pg_cancel_backend(pid)) from pg_stat_activity "
        "where wait_event = 'PgSleep' and query = $1"
    )
    await watcher.execute(sql, query)
    yield await task
    async with connection.transaction():
        yield await connection.fetchval("select 'lives'")
        yield await state(connection.execute("selec 1"))
        yield await state(connection.fetch("select 1"))
        await connection.execute("rollback; begin")


async def pooled(connection, number, table, watcher):
    """The driver's own pool, which resets a connection when it comes back."""
    async with asyncpg.create_pool(host="localhost", ssl=TLS, min_size=1, max_size=2) as pool:
        for step in range(3):
            async with pool.acquire() as member:
                yield await member.fetchval("show work_mem")
                await member.execute(f"set work_mem = '{step + 5}MB'")


PARTS = [
    values, statements, transactions, cursors, copies, settings, session, notifications, two_phase,
    large_objects, cancels, pooled,
]


async def transcript(number, watcher):
    table = f"asyncpg{number}"
    settings = {"application_name": table} if number % 2 else {}
    connection = await connect(server_settings=settings)
    lines = []
    for part in PARTS:
        async for value in part(connection, number, table, watcher):
            lines.append(f"{number} {part.__name__} {value!r}")
    await connection.close()
    return lines


class Watcher:
    """One connection to PostgreSQL itself, used by all clients in turn."""

    def __init__(self, connection):
        self.connection = connection
        self.lock = asyncio.Lock()

    async def fetchval(self, *query):
        async with self.lock:
            return await self.connection.fetchval(*query)

    async def execute(self, *query):
        async with self.lock:
            return await self.connection.execute(*query)


async def main():
    watcher = Watcher(await connect(port=int(os.environ["WATCH_PORT"])))
    for lines in await asyncio.gather(*(transcript(number, watcher) for number in range(CLIENTS))):
        print("\n".join(lines))


if __name__ == "__main__":
    asyncio.run(main())
