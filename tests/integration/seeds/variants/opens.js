// Leaves its transaction open.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
pool
  .connect()
  .then((client) => client.query("begin").then(() => client.query("delete from users")))
  .then(() => console.log("done"));
