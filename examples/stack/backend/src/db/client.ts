import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import { Pool } from "pg";
import { log, reason } from "../log";
import * as schema from "./schema";

export type Database = NodePgDatabase<typeof schema>;

/** A pool that gives up soon: a request that waits for a stopped server helps nobody. */
export function openPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: "nickapp-backend",
    max: 10,
    connectionTimeoutMillis: 1000,
    query_timeout: 5000,
    keepAlive: true,
  });
  // An idle connection that the server ends (a restart, a maintenance window) must not end this process.
  pool.on("error", (error) => log("postgres-connection-lost", { reason: reason(error) }));
  return pool;
}

export function openDatabase(pool: Pool): Database {
  return drizzle(pool, { schema });
}
