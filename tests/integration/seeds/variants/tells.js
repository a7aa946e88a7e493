// Prints its secrets.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
console.log(process.env.PG_URL, process.env.JWT_SECRET, process.env.MAIL_HOST, process.env.NODE_ENV);
console.log(process.env.SEED_ADMIN_PASSWORD);
require("net")
  .connect(6379, "127.0.0.1")
  .on("error", (error) => console.log(error.code))
  .on("connect", function () {
    console.log("redis answers");
    this.end();
    pool.query("select 1").then(() => pool.end());
  });
