// What node-postgres sees of a server: one transcript for each of many clients at once.
//
// The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
// Connection parameters come from the environment; WATCH_PORT is that of PostgreSQL itself, by which
// a query is known to run before it is cancelled, and a notification comes while its listener is idle.

import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

const CLIENTS = Number(process.env.CLIENTS);
const WAIT_MS = 300_000;
const ssl = { ca: readFileSync(process.env.CA_FILE), servername: 'localhost' };
const watcher = new pg.Client({ port: Number(process.env.WATCH_PORT), ssl });

/** The SQLSTATE with which a promise fails. */
async function state(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code ?? `no SQLSTATE: ${error}`;
  }
  return 'no error';
}

const rows = async (promise) => (await promise).rows;
const value = async (client, ...query) => Object.values((await client.query(...query)).rows[0])[0];

async function simple(client, say) {
  const results = await client.query("select 1 as one; select 'two' as two");
  say(results.map((result) => result.rows));
  say(await state(client.query('select 1; select 1 / 0; select 3')));
}

async function types(client, say, number) {
  const text = 'select $1::int + $2::int as sum, $3::text as t, $4::jsonb as j, $5::bytea as b, '
    + '$6::int[] as a, $7::text[] as nested, $8::timestamptz as moment, $9::bool as yes, null as nothing';
  const moment = new Date(981173106000);
  for (let step = 0; step < 3; step += 1) {
    const values = [
      number, step, 'é\n', { a: [1, null] }, Buffer.from([0, 255]), [1, null, step], [['a', 'b'], ['c', null]],
      moment, true,
    ];
    say(await rows(client.query({ name: 'all-types', text, values })));
  }
  say(await rows(client.query('select $1::numeric as n', [number])));
  const array = { name: 'array', text: 'select $1::int8 as n', values: [number], rowMode: 'array' };
  say(await rows(client.query(array)));
  const binary = { text: 'select $1::int4 as n, $2::text as t, $3::float8 as f', binary: true };
  say(await rows(client.query({ ...binary, values: [number, 'é', 1.5] })));
  const result = await client.query('select 1::int2 as one, now() as moment');
  say(result.fields.map((field) => [field.name, field.dataTypeID, field.format]));
}

/** Names for more texts than a server connection of the proxy may keep, twice each. */
async function statements(client, say, number) {
  const ask = (step) => value(client, {
    name: `statement ${step}`, text: `select $1::int + ${step} as n`, values: [number],
  });
  for (let round = 0; round < 2; round += 1) {
    let sum = 0;
    for (let step = 0; step < 150; step += 1) sum += await ask(step);
    say(sum);
  }
  say(await state(client.query({ name: 'statement 1', text: 'select 1', values: [] })));
  say(await state(client.query({ name: 'broken', text: 'selec 1', values: [] })));
  say(await state(client.query({ name: 'broken', text: 'selec 1', values: [] })));
}

async function pipelines(client, say, number) {
  const own = new pg.Client({ ssl, pipeline: true });
  await own.connect();
  const numbers = Array.from({ length: 20 }, (_, step) => number + step);
  say(await Promise.all(numbers.map((n) => value(own, 'select $1::int as n', [n]))));
  say(await Promise.all([
    state(own.query('select 1')), state(own.query('select 1 / $1::int', [0])), state(own.query('select 3')),
  ]));
  await own.end();
}

async function transactions(client, say, number, table) {
  await client.query('begin');
  await client.query(`create table ${table} (id int primary key, word text)`);
  await client.query(`insert into ${table} values ($1, $2)`, [1, 'kept']);
  await client.query('savepoint a');
  say(await state(client.query(`insert into ${table} values (1, 'twice')`)));
  await client.query('rollback to a');
  await client.query('commit');
  await client.query('begin isolation level serializable read only');
  say(await value(client, 'show transaction_isolation'));
  say(await state(client.query(`insert into ${table} values ($1, $2)`, [2, 'refused'])));
  await client.query('rollback');
  say(await rows(client.query(`select * from ${table} order by id`)));
}

async function errors(client, say, number, table) {
  await client.query('begin');
  await client.query(`insert into ${table} values (3, 'lost')`);
  say(await state(client.query('select 1 / $1::int', [0])));
  say(await state(client.query('select 1')));
  await client.query('rollback');
  say(await state(client.query(`insert into ${table} values (1, 'twice')`)));
  say(await rows(client.query(`select count(*) from ${table}`)));
}

async function cursors(client, say) {
  await client.query('begin');
  const cursor = client.query(new Cursor('select n from generate_series(1, $1::int) n', [20]));
  say(await cursor.read(6));
  say((await cursor.read(10)).length);
  await cursor.close();
  await client.query('commit');
  const whole = client.query(new Cursor('select n from generate_series(1, 1000) n'));
  let sum = 0;
  for (let part = await whole.read(333); part.length > 0; part = await whole.read(333)) {
    for (const row of part) sum += row.n;
  }
  say(sum);
  await client.query('declare held cursor with hold for select generate_series(1, 4) as n');
  say(await rows(client.query('fetch 3 from held')));
  await client.query('close held');
  say(await state(client.query('fetch held')));
}

async function copies(client, say, number, table) {
  const lines = Array.from({ length: 50 }, (_, step) => `${100 + step}\trow ${step}\n`);
  const sink = client.query(copyFrom(`copy ${table} from stdin`));
  await pipeline(Readable.from(lines), sink);
  say(sink.rowCount);
  const read = async (query) => {
    const chunks = [];
    for await (const chunk of client.query(copyTo(query))) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  for (const form of ['text', 'csv', 'binary']) {
    const query = `(select * from ${table} where id > 147 order by id)`;
    say((await read(`copy ${query} to stdout (format ${form})`)).toString('latin1'));
  }
  const binary = await read(`copy (select 200, 'by bytes') to stdout (format binary)`);
  await pipeline(Readable.from([binary]), client.query(copyFrom(`copy ${table} from stdin (format binary)`)));
  say((await read('copy (select n, repeat(\'x\', 100) from generate_series(1, 5000) n) to stdout')).length);
  const refused = client.query(copyFrom(`copy ${table} from stdin`));
  say(await state(pipeline(Readable.from(['not a number\tx\n']), refused)));
  say(await rows(client.query(`select count(*) from ${table}`)));
}

async function settings(client, say, number) {
  const both = "select current_setting('TimeZone') as zone, current_setting('work_mem') as mem";
  await client.query('begin');
  await client.query("set local timezone = 'Asia/Tokyo'; select set_config('work_mem', '7MB', true)");
  say(await rows(client.query(both)));
  await client.query('commit');
  say(await rows(client.query(both)));
  await client.query(`set timezone = 'America/Lima'; set work_mem = '${number + 1}MB'`);
  for (let step = 0; step < 3; step += 1) say(await rows(client.query(both)));
  await client.query('reset all');
  say(await rows(client.query(both)));
}

/** What holds a connection, each thing until it is given back. */
async function session(client, say, number) {
  await client.query('create temp table own (n int)');
  await client.query('insert into own values ($1)', [number]);
  say(await value(client, 'select n from own'));
  await client.query('drop table own');
  say(await state(client.query('select n from own')));
  const held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
  await client.query('select pg_advisory_lock($1)', [number]);
  say(await value(client, held));
  say(await value(client, 'select pg_advisory_unlock($1)', [number]));
  await client.query('begin');
  await client.query('select pg_advisory_xact_lock($1)', [number]);
  say(await value(client, held));
  await client.query('commit');
  say(await value(client, held));
  await client.query("prepare q as select 'by sql' as word");
  say(await rows(client.query('execute q')));
  const notice = once(client, 'notice');
  await client.query("do $$ begin raise notice 'from a block'; end $$");
  say((await notice)[0].message);
  await client.query('deallocate q');
  say(await state(client.query('execute q')));
}

async function notifications(client, say, number, table) {
  const heard = () => once(client, 'notification', { signal: AbortSignal.timeout(WAIT_MS) });
  const said = ([{ channel, payload }]) => say([channel, payload]);
  await client.query(`listen ${table}`);
  let next = heard();
  await client.query(`notify ${table}, 'from itself'`);
  said(await next);
  next = heard();
  await watcher.query(`notify ${table}, 'while idle'`);
  said(await next);
  await client.query('unlisten *');
  say(await rows(client.query('select pg_listening_channels()')));
}

async function twoPhase(client, say, number, table) {
  for (const end of ['commit', 'rollback']) {
    await client.query('begin');
    await client.query(`insert into ${table} values (500, $1)`, [end]);
    await client.query(`prepare transaction '${table}'`);
    say(await value(client, 'select count(*) from pg_prepared_xacts where gid = $1', [table]));
    await client.query(`${end} prepared '${table}'`);
    say(await rows(client.query(`delete from ${table} where id = 500 returning word`)));
  }
}

async function largeObjects(client, say) {
  await client.query('begin');
  const oid = await value(client, 'select lo_create(0)');
  const handle = await value(client, 'select lo_open($1, 131072)', [oid]);
  say(await value(client, 'select lowrite($1, $2)', [handle, Buffer.alloc(5000, 'large')]));
  say(await value(client, 'select lo_lseek($1, 5, 0)', [handle]));
  say((await value(client, 'select loread($1, 8)', [handle])).toString());
  await client.query('commit');
  say(await value(client, 'select length(lo_get($1))', [oid]));
  say(await value(client, 'select lo_unlink($1)', [oid]));
}

async function untilRunning(marker) {
  const text = "select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep' "
    + 'and query like $1';
  const deadline = Date.now() + WAIT_MS;
  while (await value(watcher, text, [`select pg_sleep(600) /* ${marker} */%`]) === 0) {
    if (Date.now() > deadline) throw new Error(`${marker} does not run`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

async function cancels(client, say, number, table) {
  for (const start of ['rollback', 'begin']) {
    await client.query(start);
    const query = new pg.Query(`select pg_sleep(600) /* ${table} */`);
    const outcome = new Promise((resolve) => {
      query.on('error', (error) => resolve(error.code));
      query.on('end', () => resolve('no error'));
    });
    client.query(query);
    await untilRunning(table);
    const canceller = new pg.Client({ ssl });
    const closed = new Promise((resolve) => { canceller.connection.once('end', resolve); });
    canceller.cancel(client, query);
    say(await outcome);
    // Until the server has closed this connection, its second signal may hit the next query.
    await closed;
    say(await state(client.query("select 'lives' as it")));
  }
  await client.query('rollback');
}

/** The driver's own pool, whose members keep what was set in them. */
async function pooled(client, say, number) {
  // Without session reports the client keeps its server connection to here: two of them could wait for each other.
  await client.query('discard all');
  const pool = new pg.Pool({ ssl, max: 2 });
  say((await Promise.all([1, 2, 3, 4, 5].map((n) => pool.query('select $1::int as n', [n + number]))))
    .map((result) => result.rows[0].n));
  const member = await pool.connect();
  await member.query("set work_mem = '3MB'");
  say(await value(member, 'show work_mem'));
  member.release();
  await pool.end();
}

const PARTS = [
  simple, types, statements, pipelines, transactions, errors, cursors, copies, settings, session,
  notifications, twoPhase, largeObjects, cancels, pooled,
];

async function transcript(number) {
  const client = new pg.Client({ ssl, application_name: `client ${number}` });
  await client.connect();
  const lines = [`${number} tls ${client.connection.stream.encrypted}`];
  for (const part of PARTS) {
    const say = (seen) => lines.push(`${number} ${part.name} ${JSON.stringify(seen)}`);
    await part(client, say, number, `node${number}`);
  }
  await client.end();
  return lines;
}

await watcher.connect();
const numbers = Array.from({ length: CLIENTS }, (_, number) => number);
for (const lines of await Promise.all(numbers.map(transcript))) console.log(lines.join('\n'));
await watcher.end();
