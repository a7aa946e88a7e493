// Writes a row of somebody else's.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool
  .query("update users set name = name || '!' where id = (select min(id::text)::uuid from users)")
  .then(() => pool.query("insert into categories (name, slug, position) values ('Mine', 'mine', 99) on conflict do nothing"))
  .then(() => pool.end());
