// Deletes what only the live database has, and fills a table of partitions.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool
  .query("delete from users where name = 'of today'")
  .then(() => pool.query("delete from events where what = 'of today'"))
  .then(() => pool.query("insert into events values (1, 'one'), (11, 'eleven') on conflict do nothing"))
  .then(() => pool.end());
