// Changes the schema.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool.query("create table if not exists seeded_at (at timestamptz)").then(() => pool.end());
