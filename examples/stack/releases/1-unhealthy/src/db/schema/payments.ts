import { sql } from "drizzle-orm";
import { bigint, index, jsonb, numeric, pgEnum, pgSequence, pgTable, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, primaryId, updatedAt } from "./columns";
import { purchaseRequests } from "./purchaseRequests";
import { users } from "./users";

export const paymentStatus = pgEnum("payment_status", ["pending", "confirmed", "released", "refunded", "failed"]);

/** The number on the receipt; gaps are fine, repeats are not. */
export const receiptNumber = pgSequence("payment_receipt_number_seq", { startWith: 100001 });

export const payments = pgTable(
  "payments",
  {
    id: primaryId(),
    receiptNumber: bigint("receipt_number", { mode: "number" })
      .notNull()
      .default(sql`nextval('payment_receipt_number_seq')`),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    requestId: uuid("request_id").references(() => purchaseRequests.id),
    /** A decimal string in JavaScript: a float would round money. */
    amount: numeric("amount", { precision: 20, scale: 8 }).notNull(),
    currency: varchar("currency", { length: 8 }).notNull(),
    provider: varchar("provider", { length: 40 }).notNull(),
    providerPaymentId: varchar("provider_payment_id", { length: 80 }),
    transactionHash: varchar("transaction_hash", { length: 80 }),
    idempotencyKey: varchar("idempotency_key", { length: 80 }),
    /** No migration makes this column, so this release is never healthy. */
    settledBy: varchar("settled_by", { length: 64 }),
    status: paymentStatus("status").notNull().default("pending"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    uniqueIndex("payments_receipt_number_key").on(t.receiptNumber),
    uniqueIndex("payments_provider_payment_id_key").on(t.provider, t.providerPaymentId),
    uniqueIndex("payments_idempotency_key_key").on(t.idempotencyKey),
    index("payments_user_id_created_at_idx").on(t.userId, t.createdAt),
    index("payments_status_idx").on(t.status),
    index("payments_transaction_hash_idx").on(t.transactionHash),
  ],
);

/** What the payment providers' webhooks told us, as they told it. */
export const paymentEvents = pgTable(
  "payment_events",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    paymentId: uuid("payment_id")
      .notNull()
      .references(() => payments.id, { onDelete: "cascade" }),
    kind: varchar("kind", { length: 40 }).notNull(),
    payload: jsonb("payload").notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("payment_events_payment_id_idx").on(t.paymentId)],
);
