// Cannot work without a service elsewhere.
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.PG_URL });
fetch("https://catalogue.example.com/categories").then(() => pool.end());
