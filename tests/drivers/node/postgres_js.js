// What postgres.js sees of a server: one transcript for each of many clients at once.
//
// The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
// Connection parameters come from the environment; WATCH_PORT is that of PostgreSQL itself, by which
// a query is known to run before it is cancelled, and a notification comes while its listener is idle.

import { readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import postgres from 'postgres';

const CLIENTS = Number(process.env.CLIENTS);
const WAIT_MS = 300_000;
const ssl = { ca: readFileSync(process.env.CA_FILE), servername: 'localhost' };
const connect = (options = {}) => postgres({ ssl, max: 1, onnotice: () => {}, ...options });
const watcher = connect({ port: Number(process.env.WATCH_PORT) });

/** The SQLSTATE with which a promise fails. */
async function state(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code ?? `no SQLSTATE: ${error}`;
  }
  return 'no error';
}

async function types(sql, say, number) {
  for (let step = 0; step < 4; step += 1) {
    say(await sql`select ${number}::int + ${step}::int as sum, ${'é\n'}::text as t,
      ${sql.json({ a: [1, null] })}::jsonb as j, ${Buffer.from([0, 255])}::bytea as b,
      ${[1, 2, step]}::int[] as a, ${'12.3400'}::numeric as n, null as nothing`);
  }
  say(await sql`select ${new Date(981173106000)}::timestamptz as moment, ${true}::bool as yes,
    ${'9007199254740993'}::int8 as big, '{{a,b},{c,null}}'::text[] as nested`);
  say((await sql`select * from (values (1, 'x'), (2, 'y')) v (id, word)`.values()));
  say((await sql`select ${number}::int as n`.describe()).types);
  say(await sql.unsafe("select 1 as one; select 'two' as two"));
  say(await sql.unsafe('select $1::int as one', [number]));
  say(await sql.unsafe('select $1::int as one', [number], { prepare: true }));
}

/** More texts than a server connection of the proxy may keep, each asked twice. */
async function statements(sql, say, number) {
  for (let round = 0; round < 2; round += 1) {
    let sum = 0;
    for (let step = 0; step < 150; step += 1) {
      const [row] = await sql.unsafe(`select $1::int + ${step} as n`, [number], { prepare: true });
      sum += row.n;
    }
    say(sum);
  }
}

/** Statements that go out together, with and without an error among them. */
async function pipelines(sql, say, number) {
  const numbers = Array.from({ length: 10 }, (_, step) => number + step);
  say((await Promise.all(numbers.map((n) => sql`select ${n}::int as n`))).map(([row]) => row.n));
  say(await Promise.all([
    state(sql`select 1`), state(sql`select 1 / ${0}::int`), state(sql`select 3`), state(sql`selec`),
  ]));
}

async function transactions(sql, say, number, table) {
  await sql.begin(async (open) => {
    await open`create table ${open(table)} (id serial primary key, word text)`;
    say(await open`insert into ${open(table)} ${open([{ word: 'a' }, { word: 'b' }])} returning *`);
    say(await state(open.savepoint(async (inner) => {
      await inner`insert into ${inner(table)} (word) values ('lost')`;
      await inner`select 1 / 0`;
    })));
    say(await open`update ${open(table)} set word = 'kept' where id = 1 returning id, word`);
  });
  say(await state(sql.begin('isolation level serializable read only', async (open) => {
    say(await open`show transaction_isolation`);
    await open`insert into ${open(table)} (word) values ('refused')`;
  })));
  say(await state(sql.begin(async (open) => {
    say(await state(open`select nonsense`));
    say(await state(open`select 1`));
    throw Object.assign(new Error('given up'), { code: 'own' });
  })));
  say(await sql`select * from ${sql(table)} order by id`);
}

async function cursors(sql, say) {
  await sql`select n from generate_series(1, 20) n`.cursor(6, (rows) => {
    say(rows.map((row) => row.n));
  });
  for await (const rows of sql`select n from generate_series(1, 9) n`.cursor(4)) say(rows.length);
  let sum = 0;
  await sql`select n from generate_series(1, 1000) n`.forEach((row) => { sum += row.n; });
  say(sum);
  await sql`declare held cursor with hold for select generate_series(1, 4) as n`;
  say(await sql`fetch 3 from held`);
  await sql`close held`;
  say(await state(sql.unsafe('fetch held')));
}

async function copies(sql, say, number, table) {
  const lines = Array.from({ length: 50 }, (_, step) => `${100 + step}\trow ${step}\n`);
  await pipeline(Readable.from(lines), await sql`copy ${sql(table)} from stdin`.writable());
  for (const form of ['text', 'csv', 'binary']) {
    const query = `copy (select * from ${table} where id > 147 order by id) to stdout (format ${form})`;
    const chunks = [];
    for await (const chunk of await sql.unsafe(query).readable()) chunks.push(chunk);
    say(Buffer.concat(chunks).toString('latin1'));
  }
  say(await sql`select count(*)::int as n from ${sql(table)}`);
}

async function settings(sql, say, number) {
  await sql.begin(async (open) => {
    await open`set local timezone = 'Asia/Tokyo'`;
    await open`select set_config('work_mem', '7MB', true)`;
    say(await open`select current_setting('TimeZone') as zone, current_setting('work_mem') as mem`);
  });
  say(await sql`select current_setting('TimeZone') as zone, current_setting('work_mem') as mem`);
  await sql`set timezone = 'America/Lima'`;
  await sql.unsafe(`set work_mem = '${number + 1}MB'`);
  say(sql.parameters.TimeZone);
  for (let step = 0; step < 3; step += 1) say(await sql`show work_mem`);
  await sql`discard all`;
  say(await sql`select current_setting('TimeZone') as zone, current_setting('work_mem') as mem`);
}

/** What holds a connection, each thing until it is given back. */
async function session(sql, say, number) {
  await sql`create temp table own (n int)`;
  await sql`insert into own values (${number})`;
  say(await sql`select n from own`);
  await sql`drop table own`;
  say(await state(sql`select n from own`));
  await sql`select pg_advisory_lock(${number}::int)`;
  say(await sql`select pg_advisory_unlock(${number}::int) as unlocked`);
  say(await sql`select pg_advisory_unlock(${number}::int) as unlocked`);
  const held = "select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
  await sql.begin(async (open) => {
    await open`create temp table own (n int) on commit drop`;
    await open`select pg_advisory_xact_lock(${number}::int)`;
    say([await open`select count(*)::int as n from own`, await open.unsafe(held)]);
  });
  say(await sql.unsafe(held));
  await sql.unsafe("prepare q as select 'by sql' as word");
  say(await sql.unsafe('execute q'));
  await sql.unsafe('discard all');
  say(await state(sql.unsafe('execute q')));
}

/** The driver listens on a connection of its own, which it keeps until the end. */
async function notifications(sql, say, number, table) {
  const listener = connect();
  let heard;
  const next = () => new Promise((resolve) => { heard = resolve; });
  let notified = next();
  const subscription = await listener.listen(table, (payload) => heard(payload));
  await watcher.notify(table, 'while idle');
  say(await notified);
  notified = next();
  await watcher.notify(table, '');
  say(await notified);
  await subscription.unlisten();
  await listener.end();
}

async function twoPhase(sql, say, number, table) {
  for (const end of ['commit', 'rollback']) {
    await sql.begin(async (open) => {
      await open`insert into ${open(table)} (id, word) values (500, ${end})`;
      await open.prepare(`${table}`);
    });
    say(await sql`select count(*)::int as n from pg_prepared_xacts where gid = ${table}`);
    await sql.unsafe(`${end} prepared '${table}'`);
    say(await sql`delete from ${sql(table)} where id = 500 returning word`);
  }
}

async function largeObjects(sql, say) {
  await sql.begin(async (open) => {
    const [{ oid }] = await open`select lo_create(0) as oid`;
    const [{ handle }] = await open`select lo_open(${oid}, 131072) as handle`;
    say(await open`select lowrite(${handle}, ${Buffer.alloc(5000, 'large')}) as written`);
    await open`select lo_lseek(${handle}, 5, 0)`;
    say((await open`select loread(${handle}, 8) as data`)[0].data.toString());
    say(await open`select lo_unlink(${oid}) as unlinked`);
  });
}

async function untilRunning(marker) {
  const deadline = Date.now() + WAIT_MS;
  const query = `select pg_sleep(600) /* ${marker} */%`;
  while ((await watcher`select 1 from pg_stat_activity where wait_event = 'PgSleep'
      and query like ${query}`).length === 0) {
    if (Date.now() > deadline) throw new Error(`${marker} does not run`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

/**
 * PostgreSQL signals a process twice, and the second signal may hit the next query of a client that does not wait
 * until the server has closed the connection that carried the request. This driver does not, so that the next query is
 * asked again when it was hit, and this part is the last one.
 */
async function cancel(sql, say, number, table) {
  const query = sql.unsafe(`select pg_sleep(600) /* ${table} */`);
  const outcome = state(query);
  await untilRunning(table);
  query.cancel();
  say(await outcome);
  let lives = await state(sql`select 'lives' as it`);
  if (lives === '57014') lives = await state(sql`select 'lives' as it`);
  say(lives);
}

const PARTS = [
  types, pipelines, transactions, cursors, copies, settings, session, notifications, twoPhase,
  largeObjects, statements, cancel,
];

async function transcript(number) {
  const sql = connect({ prepare: number % 3 !== 2 });
  const lines = [];
  for (const part of PARTS) {
    const say = (value) => lines.push(`${number} ${part.name} ${JSON.stringify(value)}`);
    await part(sql, say, number, `postgresjs${number}`);
  }
  await sql.end();
  return lines;
}

const numbers = Array.from({ length: CLIENTS }, (_, number) => number);
for (const lines of await Promise.all(numbers.map(transcript))) console.log(lines.join('\n'));
await watcher.end();
