import { index, numeric, pgTable, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, moment, primaryId, updatedAt } from "./columns";
import { payments } from "./payments";
import { users } from "./users";

/** `balance` is the sum of the wallet's transactions. */
export const wallets = pgTable(
  "wallets",
  {
    id: primaryId(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    currency: varchar("currency", { length: 8 }).notNull(),
    balance: numeric("balance", { precision: 20, scale: 8 }).notNull().default("0"),
    updatedAt: updatedAt(),
  },
  (t) => [uniqueIndex("wallets_user_id_currency_key").on(t.userId, t.currency)],
);

export const walletTransactions = pgTable(
  "wallet_transactions",
  {
    id: primaryId(),
    walletId: uuid("wallet_id")
      .notNull()
      .references(() => wallets.id),
    paymentId: uuid("payment_id").references(() => payments.id),
    amount: numeric("amount", { precision: 20, scale: 8 }).notNull(),
    reason: varchar("reason", { length: 60 }).notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("wallet_transactions_wallet_id_created_at_idx").on(t.walletId, t.createdAt)],
);

export const escrowHolds = pgTable(
  "escrow_holds",
  {
    id: primaryId(),
    paymentId: uuid("payment_id")
      .notNull()
      .references(() => payments.id),
    amount: numeric("amount", { precision: 20, scale: 8 }).notNull(),
    releasedAt: moment("released_at"),
    createdAt: createdAt(),
  },
  (t) => [uniqueIndex("escrow_holds_payment_id_key").on(t.paymentId)],
);

export const payouts = pgTable(
  "payouts",
  {
    id: primaryId(),
    walletId: uuid("wallet_id")
      .notNull()
      .references(() => wallets.id),
    amount: numeric("amount", { precision: 20, scale: 8 }).notNull(),
    destination: varchar("destination", { length: 80 }).notNull(),
    sentAt: moment("sent_at"),
    createdAt: createdAt(),
  },
  (t) => [index("payouts_wallet_id_idx").on(t.walletId)],
);
