// What the Neon serverless driver does through the proxy's tunnel listener, unmodified, over HTTP: DOOR is where that is.
//
// Prints one JSON object; the test compares it with what PostgreSQL must say.

import { neon, neonConfig } from '@neondatabase/serverless';

neonConfig.fetchEndpoint = () => `http://127.0.0.1:${process.env.DOOR}/sql`;

const url = (password) => {
  const { PGUSER, PGDATABASE } = process.env;
  return `postgres://${PGUSER}:${encodeURIComponent(password)}@db.example.com/${PGDATABASE}`;
};
const sql = neon(url(process.env.PGPASSWORD));
const code = (promise) => promise.then(() => 'no error', (error) => error.code ?? String(error));

const seen = {};
await sql`create table things (id int primary key, word text, made jsonb)`;
seen.inserted = await sql`insert into things values (1, ${'é"\n'}, ${JSON.stringify({ a: [1] })}), (2, null, null) returning *`;
seen.types = await sql`select 1::int as i, 2::bigint as b, true as t, 1.5::float8 as f, array[1,2] as a,
  '2001-02-03'::date::text as d, null as n, '\\x00ff'::bytea::text as y`;
seen.arrays = await sql.query('select id, word from things where id = $1', [2], { arrayMode: true, fullResults: true })
  .then(({ rows, command, rowCount }) => ({ rows, command, rowCount }));
seen.error = await sql`select 1 / ${0}::int`.catch(({ code, message, severity }) => ({ code, message, severity }));
seen.position = await sql`selec 1`.catch(({ code, position }) => ({ code, position }));
seen.many = (await sql`select n, repeat('x', 100) from generate_series(1, 50000) n`).length;
seen.batch = await sql.transaction([
  sql`insert into things values (3, 'three', null)`, sql`select count(*)::int as n from things`,
], { isolationLevel: 'Serializable', readOnly: false });
seen.rolledBack = await code(sql.transaction([sql`delete from things`, sql`select 1 / 0`]));
seen.left = (await sql`select count(*)::int as n from things`)[0].n;
seen.readOnly = await code(sql.transaction([sql`delete from things`], { readOnly: true }));
seen.isolation = await sql.transaction([sql`select current_setting('transaction_isolation') as level`],
  { isolationLevel: 'RepeatableRead' });
seen.wrong = await code(neon(url('wrong'))`select 1`);
seen.together = (await Promise.all(Array.from({ length: 30 }, (_, n) => sql`select ${n}::int as n`))).map(([row]) => row.n);
console.log(JSON.stringify(seen));
