import { sql } from "drizzle-orm";
import { index, integer, numeric, pgEnum, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";
import { categories } from "./catalogue";
import { createdAt, moment, primaryId, updatedAt } from "./columns";
import { users } from "./users";

export const requestStatus = pgEnum("request_status", ["draft", "open", "accepted", "paid", "delivered", "closed", "cancelled"]);

/** There is no payment column here: payments point at their request. */
export const purchaseRequests = pgTable(
  "purchase_requests",
  {
    id: primaryId(),
    buyerId: uuid("buyer_id")
      .notNull()
      .references(() => users.id),
    categoryId: uuid("category_id").references(() => categories.id),
    title: varchar("title", { length: 200 }).notNull(),
    description: text("description").notNull(),
    budget: numeric("budget", { precision: 20, scale: 8 }).notNull(),
    currency: varchar("currency", { length: 8 }).notNull(),
    quantity: integer("quantity").notNull().default(1),
    status: requestStatus("status").notNull().default("open"),
    neededBy: moment("needed_by"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    index("purchase_requests_buyer_id_idx").on(t.buyerId),
    index("purchase_requests_status_created_at_idx").on(t.status, t.createdAt),
    index("purchase_requests_search_idx").using("gin", sql`to_tsvector('simple', ${t.title})`),
  ],
);

export const purchaseRequestAttachments = pgTable(
  "purchase_request_attachments",
  {
    id: primaryId(),
    requestId: uuid("request_id")
      .notNull()
      .references(() => purchaseRequests.id, { onDelete: "cascade" }),
    fileName: varchar("file_name", { length: 200 }).notNull(),
    mediaType: varchar("media_type", { length: 80 }).notNull(),
    bytes: integer("bytes").notNull(),
    sha256: varchar("sha256", { length: 64 }).notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("purchase_request_attachments_request_id_idx").on(t.requestId)],
);
