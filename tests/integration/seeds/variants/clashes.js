// Runs into a row that is there, and prints all that it was told of it.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool.query("insert into users (name, email) select name, email from users").catch((error) => {
  console.error(error, JSON.stringify(error), error.detail);
  process.exit(1);
});
