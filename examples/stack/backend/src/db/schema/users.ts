import { boolean, index, pgEnum, pgTable, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, primaryId, updatedAt } from "./columns";

export const userRole = pgEnum("user_role", ["buyer", "seller", "admin"]);

export const users = pgTable(
  "users",
  {
    id: primaryId(),
    /** The MongoDB `_id` of users that existed before the cutover. */
    legacyObjectId: varchar("legacy_object_id", { length: 24 }),
    email: varchar("email", { length: 254 }).notNull(),
    name: varchar("name", { length: 120 }).notNull(),
    passwordHash: text("password_hash"),
    googleId: varchar("google_id", { length: 64 }),
    role: userRole("role").notNull().default("buyer"),
    emailVerified: boolean("email_verified").notNull().default(false),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    uniqueIndex("users_email_key").on(t.email),
    uniqueIndex("users_legacy_object_id_key").on(t.legacyObjectId),
    uniqueIndex("users_google_id_key").on(t.googleId),
    index("users_role_idx").on(t.role),
    index("users_created_at_idx").on(t.createdAt),
  ],
);

export const addresses = pgTable(
  "addresses",
  {
    id: primaryId(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    label: varchar("label", { length: 40 }).notNull(),
    line1: varchar("line1", { length: 200 }).notNull(),
    city: varchar("city", { length: 80 }).notNull(),
    postalCode: varchar("postal_code", { length: 16 }).notNull(),
    country: varchar("country", { length: 2 }).notNull(),
    isPrimary: boolean("is_primary").notNull().default(false),
    createdAt: createdAt(),
  },
  (t) => [index("addresses_user_id_is_primary_idx").on(t.userId, t.isPrimary)],
);
