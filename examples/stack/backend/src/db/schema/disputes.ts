import { index, jsonb, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, moment, primaryId } from "./columns";
import { payments } from "./payments";
import { users } from "./users";

export const disputes = pgTable(
  "disputes",
  {
    id: primaryId(),
    paymentId: uuid("payment_id")
      .notNull()
      .references(() => payments.id),
    openedBy: uuid("opened_by")
      .notNull()
      .references(() => users.id),
    reason: varchar("reason", { length: 60 }).notNull(),
    statement: text("statement").notNull(),
    resolution: text("resolution"),
    resolvedAt: moment("resolved_at"),
    createdAt: createdAt(),
  },
  (t) => [index("disputes_payment_id_idx").on(t.paymentId), index("disputes_opened_by_idx").on(t.openedBy)],
);

export const disputeEvidence = pgTable(
  "dispute_evidence",
  {
    id: primaryId(),
    disputeId: uuid("dispute_id")
      .notNull()
      .references(() => disputes.id, { onDelete: "cascade" }),
    submittedBy: uuid("submitted_by")
      .notNull()
      .references(() => users.id),
    kind: varchar("kind", { length: 40 }).notNull(),
    content: jsonb("content").notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("dispute_evidence_dispute_id_idx").on(t.disputeId)],
);
