import { index, integer, pgTable, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, moment, primaryId } from "./columns";
import { purchaseRequests } from "./purchaseRequests";
import { users } from "./users";

/** The code a buyer hands over at the door; entering it releases the escrow. */
export const deliveryCodes = pgTable(
  "delivery_codes",
  {
    id: primaryId(),
    requestId: uuid("request_id")
      .notNull()
      .references(() => purchaseRequests.id, { onDelete: "cascade" }),
    codeHash: varchar("code_hash", { length: 64 }).notNull(),
    attempts: integer("attempts").notNull().default(0),
    usedAt: moment("used_at"),
    createdAt: createdAt(),
  },
  (t) => [uniqueIndex("delivery_codes_request_id_key").on(t.requestId)],
);

export const supportTickets = pgTable(
  "support_tickets",
  {
    id: primaryId(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    subject: varchar("subject", { length: 200 }).notNull(),
    body: text("body").notNull(),
    status: varchar("status", { length: 20 }).notNull().default("open"),
    createdAt: createdAt(),
  },
  (t) => [index("support_tickets_user_id_idx").on(t.userId), index("support_tickets_status_idx").on(t.status)],
);
