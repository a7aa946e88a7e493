import type { Pool } from "pg";
import { appliedMigrations, expectedMigrations, missingColumns } from "./db/expectations";
import { reason } from "./log";
import type { Cache } from "./redis";
import { RELEASE } from "./release";

const TIMEOUT_MS = 1500;

type Part = { ok: boolean; ms: number; error?: string };

export type Health = {
  status: "ok" | "unavailable";
  release: string;
  postgres: Part & { missing?: string[] };
  redis: Part;
  migrations: { applied: number | null; expected: number };
};

/** Asks both servers, each with its own time limit: a 200 means that they answered just now. */
export async function checkHealth(pool: Pool, cache: Cache): Promise<Health> {
  let missing: string[] = [];
  let applied: number | null = null;
  const [postgres, redis] = await Promise.all([
    timed(async () => {
      missing = await missingColumns(pool);
      applied = await appliedMigrations(pool);
    }),
    timed(async () => void (await cache.ping())),
  ]);
  if (postgres.ok && missing.length > 0) {
    postgres.ok = false;
    postgres.error = `[schema-behind] The database lacks columns of this release: ${missing.length}. Next: npx drizzle-kit migrate`;
  }
  return {
    status: postgres.ok && redis.ok ? "ok" : "unavailable",
    release: RELEASE,
    postgres: missing.length > 0 ? { ...postgres, missing: missing.slice(0, 5) } : postgres,
    redis,
    migrations: { applied, expected: expectedMigrations },
  };
}

async function timed(ask: () => Promise<void>): Promise<Part> {
  const start = performance.now();
  const elapsed = () => Math.round((performance.now() - start) * 10) / 10;
  let timer: NodeJS.Timeout | undefined;
  try {
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    });
    await Promise.race([ask(), limit]);
    return { ok: true, ms: elapsed() };
  } catch (error) {
    return { ok: false, ms: elapsed(), error: reason(error) };
  } finally {
    clearTimeout(timer);
  }
}
