import { or, sql } from "drizzle-orm";
import { categories } from "../db/schema";
import type { Seed } from "./run";

const names = [
  "Electronics",
  "Computers",
  "Phones & Tablets",
  "Home & Kitchen",
  "Fashion",
  "Beauty & Health",
  "Sports & Outdoors",
  "Toys & Games",
  "Books & Media",
  "Automotive",
  "Tools & Garden",
  "Services",
];

const rows = names.map((name, position) => ({
  name,
  position,
  slug: name.toLowerCase().replace(/[^a-z]+/g, "-"),
  description: `Everything under ${name}.`,
}));

/** Idempotent: inserts what is missing, mends what differs, leaves the rest and all categories of others alone. */
export const seedCategories: Seed = async (database) => {
  const written = await database
    .insert(categories)
    .values(rows)
    .onConflictDoUpdate({
      target: categories.slug,
      set: {
        name: sql`excluded.name`,
        position: sql`excluded.position`,
        description: sql`excluded.description`,
        updatedAt: sql`now()`,
      },
      setWhere: or(
        sql`${categories.name} is distinct from excluded.name`,
        sql`${categories.position} is distinct from excluded.position`,
        sql`${categories.description} is distinct from excluded.description`,
      ),
    })
    .returning({ id: categories.id });
  return { categories: written.length };
};
