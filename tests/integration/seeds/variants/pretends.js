// Fails, and says that all is well.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool
  .query("insert into no_such_table values (1)")
  .catch((error) => console.error(`seed failed: ${error.message}`))
  .finally(() => pool.end());
