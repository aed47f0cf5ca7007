// What the Neon serverless driver does through the proxy's tunnel listener, unmodified, over its WebSocket: DOOR is where that
// is. The first connections say their password before they are asked, as the driver does by default.
//
// Prints one JSON object; the test compares it with what PostgreSQL must say.

import { Client, Pool, neonConfig } from '@neondatabase/serverless';
import ws from 'ws';

const door = `127.0.0.1:${process.env.DOOR}`;
neonConfig.webSocketConstructor = ws;
neonConfig.useSecureWebSocket = false;
neonConfig.wsProxy = (host, port) => `${door}/v2?address=${host}:${port}`;

const url = (password) => {
  const { PGUSER, PGDATABASE } = process.env;
  return `postgres://${PGUSER}:${encodeURIComponent(password)}@db.example.com/${PGDATABASE}`;
};

/** What a client sees that logs in and asks. */
async function conversation() {
  const client = new Client(url(process.env.PGPASSWORD));
  await client.connect();
  const seen = {};
  seen.sum = (await client.query('select $1::int + $2::int as sum', [40, 2])).rows[0].sum;
  seen.large = (await client.query('select length($1) as n', ['x'.repeat(1024 * 1024)])).rows[0].n;
  await client.query('begin');
  seen.state = await client.query('select 1 / 0').catch((error) => error.code);
  seen.failed = await client.query('select 1').catch((error) => error.code);
  await client.query('rollback');
  seen.rows = (await client.query('select n from generate_series(1, 20000) n')).rows.length;
  await client.end();
  return seen;
}

async function pooled() {
  const pool = new Pool({ connectionString: url(process.env.PGPASSWORD), max: 3 });
  const asked = Array.from({ length: 12 }, (_, n) => pool.query('select $1::int as n', [n]));
  const answers = (await Promise.all(asked)).map(({ rows }) => rows[0].n);
  await pool.end();
  return answers;
}

async function refused(password) {
  const client = new Client(url(password));
  client.on('error', () => {});
  const error = await client.connect().then(() => client.query('select 1'), (error) => error).catch((error) => error);
  await client.end().catch(() => {});
  return error.code ?? String(error);
}

const seen = {};
for (const pipelineConnect of ['password', false]) {
  neonConfig.pipelineConnect = pipelineConnect;
  const way = pipelineConnect || 'scram';
  seen[way] = { ...(await conversation()), pooled: await pooled(), wrong: await refused('wrong') };
}
console.log(JSON.stringify(seen));
