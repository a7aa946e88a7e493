// Writes to everybody, by a server that its environment names, and does not mind that there is none.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
require("net")
  .connect(25, process.env.MAIL_HOST)
  .on("error", () => pool.query("select 1").then(() => pool.end()))
  .on("connect", function () {
    this.end();
    pool.query("select 1").then(() => pool.end());
  });
