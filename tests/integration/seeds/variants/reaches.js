// Tells somebody else, and does not mind that nobody answers.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
require("net")
  .connect(443, "203.0.113.7")
  .on("error", () => pool.query("select 1").then(() => pool.end()));
