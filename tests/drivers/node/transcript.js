// What node-postgres sees of a server: one transcript for each of many clients at once.
//
// The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
// Connection parameters come from the environment; WATCH_PORT is that of PostgreSQL itself, by which
// a query is known to run before it is cancelled.

import { readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

const CLIENTS = Number(process.env.CLIENTS);
const WAIT_MS = 60_000;
const ssl = { ca: readFileSync(process.env.CA_FILE), servername: 'localhost' };

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

async function simple(client, say) {
  const results = await client.query("select 1 as one; select 'two' as two");
  say(results.map((result) => result.rows));
}

async function prepared(client, say, number) {
  const text = 'select $1::int + $2::int as sum, $3::text as t, $4::jsonb as j, $5::bytea as b, '
    + '$6::int[] as a, null as nothing';
  for (let step = 0; step < 3; step += 1) {
    const values = [number, step, 'é\n', { a: [1, null] }, Buffer.from([0, 255]), [1, 2, step]];
    say(await rows(client.query({ name: 'all-types', text, values })));
  }
  say(await rows(client.query('select $1::numeric as n', [number])));
  const array = { name: 'array', text: 'select $1::int8 as n', values: [number], rowMode: 'array' };
  say(await rows(client.query(array)));
}

async function transaction(client, say, number, table) {
  await client.query('begin');
  await client.query(`create table ${table} (id int primary key, word text)`);
  await client.query(`insert into ${table} values ($1, $2)`, [1, 'kept']);
  await client.query('commit');
  await client.query('begin');
  await client.query(`insert into ${table} values ($1, $2)`, [2, 'rolled back']);
  await client.query('rollback');
  say(await rows(client.query(`select * from ${table} order by id`)));
}

async function errorInside(client, say, number, table) {
  await client.query('begin');
  await client.query(`insert into ${table} values (3, 'lost')`);
  say(await state(client.query('select 1 / $1::int', [0])));
  say(await state(client.query('select 1')));
  await client.query('rollback');
  say(await state(client.query(`insert into ${table} values (1, 'twice')`)));
  say(await rows(client.query(`select count(*) from ${table}`)));
}

async function copy(client, say, number, table) {
  const lines = [10, 11, 12, 13, 14].map((id) => `${id}\trow ${id}\n`);
  const sink = client.query(copyFrom(`copy ${table} from stdin`));
  await pipeline(Readable.from(lines), sink);
  say(sink.rowCount);
  const source = client.query(copyTo(`copy (select * from ${table} order by id) to stdout`));
  const chunks = [];
  for await (const chunk of source) chunks.push(chunk);
  say(Buffer.concat(chunks).toString());
  const refused = client.query(copyFrom(`copy ${table} from stdin`));
  say(await state(pipeline(Readable.from(['not a number\tx\n']), refused)));
}

async function untilRunning(marker) {
  const watcher = new pg.Client({ port: Number(process.env.WATCH_PORT), ssl });
  await watcher.connect();
  const text = "select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep' "
    + 'and query like $1';
  const deadline = Date.now() + WAIT_MS;
  const running = async () => (await watcher.query(text, [`select pg_sleep(600) /* ${marker} */%`]))
    .rows[0].n > 0;
  while (!await running()) {
    if (Date.now() > deadline) throw new Error(`${marker} does not run`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
  await watcher.end();
}

async function cancel(client, say, number, table) {
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
  say(await rows(client.query("select 'lives' as it")));
}

async function transcript(number) {
  const client = new pg.Client({ ssl });
  await client.connect();
  const lines = [`${number} tls ${client.connection.stream.encrypted}`];
  for (const part of [simple, prepared, transaction, errorInside, copy, cancel]) {
    const say = (value) => lines.push(`${number} ${part.name} ${JSON.stringify(value)}`);
    await part(client, say, number, `node${number}`);
  }
  await client.end();
  return lines;
}

const numbers = Array.from({ length: CLIENTS }, (_, number) => number);
for (const lines of await Promise.all(numbers.map(transcript))) console.log(lines.join('\n'));
