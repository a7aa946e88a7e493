import { index, integer, numeric, pgEnum, pgTable, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, primaryId, updatedAt } from "./columns";
import { purchaseRequests } from "./purchaseRequests";
import { users } from "./users";

export const offerStatus = pgEnum("offer_status", ["pending", "accepted", "rejected", "withdrawn"]);

export const sellerOffers = pgTable(
  "seller_offers",
  {
    id: primaryId(),
    requestId: uuid("request_id")
      .notNull()
      .references(() => purchaseRequests.id, { onDelete: "cascade" }),
    sellerId: uuid("seller_id")
      .notNull()
      .references(() => users.id),
    price: numeric("price", { precision: 20, scale: 8 }).notNull(),
    currency: varchar("currency", { length: 8 }).notNull(),
    deliveryDays: integer("delivery_days").notNull(),
    note: text("note").notNull().default(""),
    status: offerStatus("status").notNull().default("pending"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    uniqueIndex("seller_offers_request_id_seller_id_key").on(t.requestId, t.sellerId),
    index("seller_offers_seller_id_status_idx").on(t.sellerId, t.status),
  ],
);
