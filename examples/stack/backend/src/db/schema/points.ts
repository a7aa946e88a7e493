import { bigint, index, integer, pgTable, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { levels } from "./catalogue";
import { createdAt, primaryId, updatedAt } from "./columns";
import { users } from "./users";

/** One row per user; `balance` is the sum of the user's point transactions. */
export const points = pgTable(
  "points",
  {
    id: primaryId(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    levelId: uuid("level_id").references(() => levels.id),
    balance: integer("balance").notNull().default(0),
    updatedAt: updatedAt(),
  },
  (t) => [uniqueIndex("points_user_id_key").on(t.userId)],
);

export const pointTransactions = pgTable(
  "point_transactions",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedByDefaultAsIdentity(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    amount: integer("amount").notNull(),
    reason: varchar("reason", { length: 60 }).notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("point_transactions_user_id_idx").on(t.userId)],
);

export const referrals = pgTable(
  "referrals",
  {
    id: primaryId(),
    referrerId: uuid("referrer_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    referredId: uuid("referred_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    code: varchar("code", { length: 16 }).notNull(),
    createdAt: createdAt(),
  },
  (t) => [uniqueIndex("referrals_referred_id_key").on(t.referredId), index("referrals_referrer_id_idx").on(t.referrerId)],
);
