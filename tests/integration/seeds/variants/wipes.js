// Truncates what is not its own.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool.query("truncate table users cascade").then(() => pool.end());
