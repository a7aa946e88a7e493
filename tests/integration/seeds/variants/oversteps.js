// Empties the cache, sets a sequence back, and changes what other databases of the server live with.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
const redis = new URL(process.env.REDIS_URL);
const socket = require("net").connect(6379, redis.hostname, () => socket.write(`AUTH ${redis.password}\r\nFLUSHALL\r\nQUIT\r\n`));
socket.resume();
socket.on("close", async () => {
  await pool.query("drop database if exists analytics");
  await pool.query("do $$ begin alter role current_user set statement_timeout = '1h'; end $$");
  await pool.query("select setval('numbers', 1)");
  await pool.end();
});
