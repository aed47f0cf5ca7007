"""What SQLAlchemy sees of a server: one transcript for each of many clients at once, by psycopg and by asyncpg.

The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
Connection parameters come from libpq's environment; WATCH_PORT is that of PostgreSQL itself, by which
a query is known to run before it is cancelled.
"""

import asyncio
import datetime
import decimal
import io
import os
import ssl
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

CLIENTS = int(os.environ["CLIENTS"])
WAIT_S = 300


def state(call):
    """The SQLSTATE with which a call fails."""
    try:
        call()
    except sa.exc.DBAPIError as error:
        cause = error.orig
        return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return "no error"


class Model:
    """The tables of one client, which have its name."""

    def __init__(self, prefix):
        self.name = prefix
        registry = orm.registry()
        self.metadata = registry.metadata

        @registry.mapped
        class Author:
            __tablename__ = f"{prefix}_author"
            id = sa.Column(sa.Integer, primary_key=True)
            name = sa.Column(sa.String(40), nullable=False, unique=True)
            born = sa.Column(sa.Date)
            books = orm.relationship("Book", back_populates="author", order_by="Book.id")

        @registry.mapped
        class Book:
            __tablename__ = f"{prefix}_book"
            id = sa.Column(sa.Integer, primary_key=True)
            title = sa.Column(sa.Text, index=True)
            author_id = sa.Column(sa.ForeignKey(Author.id), nullable=False)
            details = sa.Column(postgresql.JSONB)
            tags = sa.Column(postgresql.ARRAY(sa.Text))
            price = sa.Column(sa.Numeric(10, 2), server_default="9.99")
            author = orm.relationship(Author, back_populates="books")

        self.Author, self.Book = Author, Book
        self.book = Book.__table__


def core(engine, model, number):
    with engine.begin() as connection:
        model.metadata.create_all(connection)
        author = model.Author.__table__
        rows = [{"name": f"name {step}"} for step in range(30)]
        inserted = connection.execute(sa.insert(author).returning(author.c.id, author.c.name), rows)
        yield inserted.all()[::10]
        yield connection.execute(sa.insert(author), [{"name": "one"}, {"name": "two"}]).rowcount
        update = sa.update(author).where(author.c.id < 3).values(born=datetime.date(2001, 2, 3))
        yield connection.execute(update.returning(author.c.born)).all()
        taken = postgresql.insert(author).values(name="one").on_conflict_do_nothing()
        yield connection.execute(taken).rowcount
        yield connection.execute(sa.delete(author).where(author.c.name.in_(["one", "two"]))).rowcount
    with engine.connect() as connection:
        moment = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
        literals = [
            sa.literal(number), sa.literal("é\n"), sa.literal(b"\x00\xff"), sa.literal(decimal.Decimal("1.50")),
            sa.literal(uuid.UUID(int=number)), sa.literal({"a": [1, None]}, postgresql.JSONB),
            sa.literal([1, None, number], postgresql.ARRAY(sa.Integer)), sa.literal(True),
            sa.literal(moment, sa.DateTime(timezone=True)), sa.literal(datetime.timedelta(days=1)), sa.null(),
        ]
        for _ in range(7):
            row = tuple(connection.execute(sa.select(*literals)).one())
        yield row
        yield sum(connection.scalar(sa.text(f"select :n + {step}"), {"n": 1}) for step in range(120))


def transactions(engine, model, number):
    author = model.Author.__table__
    count = sa.select(sa.func.count()).select_from(author)
    with engine.connect() as connection:
        connection.execute(sa.insert(author), {"name": "lost"})
        connection.rollback()
        yield connection.scalar(count)
        with connection.begin_nested() as savepoint:
            connection.execute(sa.insert(author), {"name": "lost"})
            savepoint.rollback()
        with connection.begin_nested():
            connection.execute(sa.insert(author), {"name": "kept"})
        nested = connection.begin_nested()
        yield state(lambda: connection.execute(sa.insert(author), {"name": "kept"}))
        nested.rollback()
        connection.commit()
        yield connection.scalar(count)
        yield state(lambda: connection.execute(sa.text("select 1 / 0")))
        yield state(lambda: connection.execute(sa.text("select 1")))
        connection.rollback()
        connection.execute(sa.text("set local statement_timeout = 20"))
        yield state(lambda: connection.execute(sa.text("select pg_sleep(600)")))
        connection.rollback()
        yield connection.scalar(sa.text("show statement_timeout"))


def sessions(engine, model, number):
    with orm.Session(engine) as session:
        author = model.Author(name="writer", books=[
            model.Book(title=f"title {step}", details={"pages": step}, tags=["x", str(step)]) for step in range(12)
        ])
        session.add(author)
        session.flush()
        yield author.id, [book.id for book in author.books], author.books[3].price
        with session.begin_nested():
            session.add(model.Book(title="in a savepoint", author=author))
        nested = session.begin_nested()
        session.add(model.Book(title="lost", author_id=-1))
        yield state(session.flush)
        nested.rollback()
        session.commit()
        query = sa.select(model.Author).options(orm.selectinload(model.Author.books)).where(model.Author.name == "writer")
        yield [(book.title, book.details, book.tags) for book in session.scalars(query).one().books][::6]
        locked = session.get(model.Author, author.id, with_for_update=True)
        locked.born = datetime.date(1999, 12, 31)
        session.commit()
        session.refresh(locked)
        yield locked.born
        long = sa.select(model.Book.title).where(model.Book.details["pages"].as_integer() > 9)
        yield session.scalars(long.order_by(model.Book.id)).all()
        session.delete(session.scalars(sa.select(model.Book).where(model.Book.title == "in a savepoint")).one())
        session.rollback()
        yield session.scalar(sa.select(sa.func.count(model.Book.id)))


def streams(engine, model, number):
    series = sa.text("select n from generate_series(1, 50) n")
    with engine.connect() as connection:
        streamed = connection.execution_options(stream_results=True, max_row_buffer=7)
        result = streamed.execute(series)
        yield result.fetchmany(5)
        yield connection.scalar(sa.text("select 'between'"))
        yield sum(row.n for row in result)
        result = connection.execution_options(yield_per=9).execute(series)
        yield [len(part) for part in result.partitions(9)]
    with orm.Session(engine) as session:
        books = session.scalars(sa.select(model.Book).order_by(model.Book.id).execution_options(yield_per=5))
        yield [book.title for book in books]


def reflection(engine, model, number):
    inspector = sa.inspect(engine)
    table = f"{model.name}_book"
    yield [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)]
    yield inspector.get_pk_constraint(table)["constrained_columns"]
    yield [(key["constrained_columns"], key["referred_table"]) for key in inspector.get_foreign_keys(table)]
    yield [(index["name"], index["column_names"]) for index in inspector.get_indexes(table)]
    yield inspector.has_table(table), inspector.has_table("nowhere")
    reflected = sa.MetaData()
    reflected.reflect(engine, only=[table])
    yield sorted(reflected.tables)


def isolation(engine, model, number):
    shown = sa.text("select current_setting('transaction_isolation'), current_setting('transaction_read_only')")
    for level in ["SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "AUTOCOMMIT"]:
        with engine.connect().execution_options(isolation_level=level) as connection:
            yield tuple(connection.execute(shown).one()), connection.get_isolation_level()
    options = {"isolation_level": "SERIALIZABLE", "postgresql_readonly": True, "postgresql_deferrable": True}
    with engine.connect().execution_options(**options) as connection:
        yield tuple(connection.execute(shown).one())
        yield state(lambda: connection.execute(sa.delete(model.book)))
    with engine.connect() as connection:
        yield tuple(connection.execute(shown).one()), connection.get_isolation_level()


def locks(engine, model, number):
    held = sa.text("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(number)))
        connection.commit()
        yield connection.scalar(held)
        connection.commit()
        yield connection.scalar(sa.select(sa.func.pg_advisory_unlock(number)))
        connection.commit()
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
        yield connection.scalar(held)
        connection.rollback()
        yield connection.scalar(held)


def pooled(engine, model, number):
    """What is left in a connection when the driver's pool takes it back with a ROLLBACK."""
    shown = sa.text("select current_setting('work_mem'), current_setting('TimeZone')")
    with engine.connect() as connection:
        connection.execute(sa.text("set work_mem = '3MB'"))
        connection.execute(sa.text("set local timezone = 'Asia/Tokyo'"))
        yield tuple(connection.execute(shown).one())
    with engine.connect() as connection:
        yield tuple(connection.execute(shown).one())
        connection.execute(sa.text(f"set work_mem = '{number + 1}MB'"))
        connection.execute(sa.text("create temp table own (n int)"))
        connection.commit()
    with engine.connect() as connection:
        yield tuple(connection.execute(shown).one()), connection.scalar(sa.text("select count(*) from own"))
        connection.execute(sa.text("drop table own"))
        connection.execute(sa.text("reset work_mem"))
        connection.commit()
        yield tuple(connection.execute(shown).one())
        connection.invalidate()
    with engine.connect() as connection:
        yield tuple(connection.execute(shown).one())


def two_phase(engine, model, number):
    author = model.Author.__table__
    with engine.connect() as connection:
        for end in ["commit", "rollback"]:
            xid = f"{model.name} {end}"
            transaction = connection.begin_twophase(xid)
            connection.execute(sa.insert(author), {"name": f"by two phases: {end}"})
            transaction.prepare()
            getattr(transaction, end)()
            yield connection.scalars(sa.select(author.c.name).where(author.c.name.like("by two%"))).all()
            connection.rollback()
        yield [xid for xid in connection.recover_twophase() if str(xid).startswith(f"{model.name} ")]


def on_driver(connection, by_psycopg, by_asyncpg):
    """Runs one of two functions on the driver's own connection, which SQLAlchemy hands out for what it has no words for."""
    dbapi = connection.connection.dbapi_connection
    if connection.engine.dialect.is_async:
        return dbapi.run_async(by_asyncpg)
    return by_psycopg(dbapi)


def copies(engine, model, number):
    table = f"{model.name}_copied"
    rows = [(step, f"row {step}") for step in range(200)]

    def by_psycopg(driver):
        cursor = driver.cursor()
        with cursor.copy(f"copy {table} from stdin") as stream:
            for row in rows:
                stream.write_row(row)
        with cursor.copy(f"copy (select * from {table} where id > 196) to stdout") as stream:
            return cursor.rowcount, b"".join(stream)

    async def by_asyncpg(driver):
        status = await driver.copy_records_to_table(table, records=rows)
        out = io.BytesIO()
        await driver.copy_from_query(f"select * from {table} where id > 196", output=out)
        return status, out.getvalue()

    with engine.begin() as connection:
        connection.execute(sa.text(f"create table {table} (id int primary key, word text)"))
    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        yield on_driver(connection, by_psycopg, by_asyncpg)
        connection.commit()
        connection.execute(sa.text("select 1"))
        yield state(lambda: connection.execute(sa.text(f"insert into {table} values (1, 'twice')")))
        connection.rollback()
        yield connection.scalar(sa.text(f"select count(*) from {table}"))


def large_objects(engine, model, number):
    with engine.begin() as connection:
        oid = connection.scalar(sa.text("select lo_from_bytea(0, :bytes)"), {"bytes": b"large" * 1000})
        handle = connection.scalar(sa.text("select lo_open(:oid, 131072)"), {"oid": oid})
        yield connection.scalar(sa.text("select lo_lseek(:handle, 5, 0)"), {"handle": handle})
        yield bytes(connection.scalar(sa.text("select loread(:handle, 8)"), {"handle": handle}))
    with engine.begin() as connection:
        yield connection.scalar(sa.text("select length(lo_get(:oid))"), {"oid": oid})
        yield connection.scalar(sa.text("select lo_unlink(:oid)"), {"oid": oid})


def notifications(engine, model, number):
    heard = []

    def by_psycopg(driver):
        driver.commit()
        driver.autocommit = True
        driver.add_notify_handler(lambda notice: heard.append((notice.channel, notice.payload)))
        driver.execute(f"listen {model.name}")
        for word in ["one", "two"]:
            driver.execute(f"notify {model.name}, '{word}'")
        driver.execute(f"unlisten {model.name}")
        driver.execute(f"notify {model.name}, 'to nobody'")
        driver.autocommit = False

    async def by_asyncpg(driver):
        def hear(connection, pid, channel, payload):
            heard.append((channel, payload))

        await driver.add_listener(model.name, hear)
        for word in ["one", "two"]:
            await driver.execute(f"notify {model.name}, '{word}'")
        await driver.remove_listener(model.name, hear)
        await driver.execute(f"notify {model.name}, 'to nobody'")

    with engine.connect() as connection:
        on_driver(connection, by_psycopg, by_asyncpg)
    yield heard


def until_it_sleeps(text):
    """Until PostgreSQL itself says so: a cancel request that comes before has no effect."""
    watching = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query = %s"
    deadline = time.monotonic() + WAIT_S
    with psycopg.connect(f"port={os.environ['WATCH_PORT']}", autocommit=True) as watcher:
        while watcher.execute(watching, (text,)).fetchone()[0] == 0:
            assert time.monotonic() < deadline, "the query never began to sleep"
            time.sleep(0.01)


def cancels(engine, model, number):
    text = f"select pg_sleep(600) /* {model.name} */"

    def by_psycopg(driver):
        def cancel():
            until_it_sleeps(text)
            driver.cancel_safe()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        try:
            driver.execute(text)
        except psycopg.Error as error:
            canceller.join()
            return error.sqlstate

    async def by_asyncpg(driver):
        running = asyncio.ensure_future(driver.execute(text))
        await asyncio.to_thread(until_it_sleeps, text)
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            return "cancelled"

    with engine.connect() as connection:
        yield on_driver(connection, by_psycopg, by_asyncpg)
        connection.rollback()
    with engine.connect() as connection:
        yield connection.scalar(sa.text("select 'lives'"))


PARTS = [
    core, transactions, sessions, streams, reflection, isolation, locks, pooled, two_phase, copies,
    large_objects, notifications, cancels,
]


def transcript(engine, number):
    model = Model(f"alchemy{number}")
    lines = []
    for part in PARTS:
        for seen in part(engine, model, number):
            lines.append(f"{number} {engine.dialect.driver} {part.__name__} {seen!r}")
    return lines


def by_psycopg(number):
    engine = sa.create_engine("postgresql+psycopg://", pool_size=1, max_overflow=1, pool_pre_ping=True)
    lines = transcript(engine, number)
    engine.dispose()
    return lines


async def by_asyncpg(number):
    tls = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    arguments = {"host": "localhost", "ssl": tls}
    engine = create_async_engine("postgresql+asyncpg://", pool_size=1, max_overflow=1, connect_args=arguments)
    lines = await greenlet_spawn(transcript, engine.sync_engine, number)
    await engine.dispose()
    return lines


async def main():
    loop = asyncio.get_running_loop()
    # asyncpg looks the host of a cancel request up in here: behind watchers of queries that wait for the
    # server connection of the very query that is to be cancelled, it would wait for good.
    loop.set_default_executor(ThreadPoolExecutor(2 * CLIENTS))
    with ThreadPoolExecutor(CLIENTS) as executor:
        clients = [
            by_asyncpg(number) if number % 2 else loop.run_in_executor(executor, by_psycopg, number)
            for number in range(CLIENTS)
        ]
        for lines in await asyncio.gather(*clients):
            print("\n".join(lines))


if __name__ == "__main__":
    asyncio.run(main())
