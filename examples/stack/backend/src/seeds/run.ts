import { pgUrl } from "../config";
import { type Database, openDatabase, openPool } from "../db/client";
import { reason } from "../log";

/** What a seed did, by table. */
export type Seeded = Record<string, number>;
export type Seed = (database: Database) => Promise<Seeded>;

/** Runs seeds in one transaction, prints how many rows they wrote as one line of JSON, and sets the exit code. */
export async function run(name: string, ...seeds: Seed[]): Promise<void> {
  try {
    const pool = openPool(pgUrl(process.env));
    try {
      const written = await openDatabase(pool).transaction(async (transaction) => {
        const parts: Seeded[] = [];
        for (const seed of seeds) parts.push(await seed(transaction));
        return Object.assign({}, ...parts) as Seeded;
      });
      console.log(JSON.stringify({ seed: name, written }));
    } finally {
      await pool.end();
    }
  } catch (error) {
    console.error(`[seed-failed] ${name} wrote nothing: ${reason(error instanceof Error && error.cause ? error.cause : error)}`);
    process.exitCode = 1;
  }
}
