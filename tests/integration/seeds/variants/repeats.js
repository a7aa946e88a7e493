// Adds a row each time.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool
  .query("insert into categories (name, slug, position) values ('Again', 'again-' || gen_random_uuid(), 99)")
  .then(() => pool.end());
