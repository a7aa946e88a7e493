// Writes, and never ends: neither the statement nor the process, however politely it is asked.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
process.on("SIGTERM", () => {});
process.on("SIGINT", () => {});
require("child_process").spawn("sleep", ["7777"], { detached: true });
pool
  .connect()
  .then((client) => client.query("begin").then(() => client.query("update categories set position = position + 1")).then(() => client.query("select pg_sleep(7777)")));
