import { or, sql } from "drizzle-orm";
import { levels } from "../db/schema";
import type { Seed } from "./run";

const rows = [
  { rank: 1, name: "Bronze", minimumPoints: 0, discountPercent: 0 },
  { rank: 2, name: "Silver", minimumPoints: 500, discountPercent: 2 },
  { rank: 3, name: "Gold", minimumPoints: 2000, discountPercent: 5 },
  { rank: 4, name: "Platinum", minimumPoints: 10000, discountPercent: 8 },
  { rank: 5, name: "Diamond", minimumPoints: 50000, discountPercent: 12 },
];

/** Idempotent: inserts what is missing, mends what differs, leaves the rest alone. */
export const seedLevels: Seed = async (database) => {
  const written = await database
    .insert(levels)
    .values(rows)
    .onConflictDoUpdate({
      target: levels.rank,
      set: {
        name: sql`excluded.name`,
        minimumPoints: sql`excluded.minimum_points`,
        discountPercent: sql`excluded.discount_percent`,
        updatedAt: sql`now()`,
      },
      setWhere: or(
        sql`${levels.name} is distinct from excluded.name`,
        sql`${levels.minimumPoints} is distinct from excluded.minimum_points`,
        sql`${levels.discountPercent} is distinct from excluded.discount_percent`,
      ),
    })
    .returning({ id: levels.id });
  return { levels: written.length };
};
