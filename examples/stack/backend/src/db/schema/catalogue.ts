import { type AnyPgColumn, boolean, index, integer, pgTable, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, primaryId, updatedAt } from "./columns";

export const categories = pgTable(
  "categories",
  {
    id: primaryId(),
    parentId: uuid("parent_id").references((): AnyPgColumn => categories.id, { onDelete: "set null" }),
    slug: varchar("slug", { length: 80 }).notNull(),
    name: varchar("name", { length: 120 }).notNull(),
    description: text("description").notNull().default(""),
    position: integer("position").notNull().default(0),
    active: boolean("active").notNull().default(true),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [uniqueIndex("categories_slug_key").on(t.slug), index("categories_parent_id_idx").on(t.parentId)],
);

/** What a user's points amount to. */
export const levels = pgTable(
  "levels",
  {
    id: primaryId(),
    rank: integer("rank").notNull(),
    name: varchar("name", { length: 60 }).notNull(),
    minimumPoints: integer("minimum_points").notNull(),
    discountPercent: integer("discount_percent").notNull().default(0),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [uniqueIndex("levels_rank_key").on(t.rank), uniqueIndex("levels_name_key").on(t.name)],
);
