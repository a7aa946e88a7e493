import { getTableName, is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import type { Pool } from "pg";
import journal from "../../drizzle/meta/_journal.json";
import * as schema from "./schema";

const needed = Object.values<unknown>(schema)
  .filter((entry): entry is PgTable => is(entry, PgTable))
  .flatMap((table) => getTableConfig(table).columns.map((column) => [getTableName(table), column.name] as const));

const MISSING_COLUMNS = `
  select need.t || '.' || need.c as missing
  from unnest($1::text[], $2::text[]) as need(t, c)
  except
  select relname || '.' || attname
  from pg_class join pg_attribute on attrelid = pg_class.oid
  where relnamespace = 'public'::regnamespace and not attisdropped`;

const APPLIED = "select count(*)::int as applied from drizzle.__drizzle_migrations";

/** How many migrations this release brings. */
export const expectedMigrations: number = journal.entries.length;

/** The columns this release's schema declares and the database lacks: with one of them missing its queries fail. */
export async function missingColumns(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ missing: string }>(MISSING_COLUMNS, [needed.map(([t]) => t), needed.map(([, c]) => c)]);
  return rows.map((row) => row.missing);
}

/** How many migrations the database remembers; null where it remembers none or does not let us look. */
export async function appliedMigrations(pool: Pool): Promise<number | null> {
  try {
    return (await pool.query<{ applied: number }>(APPLIED)).rows[0]?.applied ?? null;
  } catch (error) {
    if (error instanceof Error && "code" in error && ["3F000", "42P01", "42501"].includes(String(error.code))) return null;
    throw error;
  }
}
