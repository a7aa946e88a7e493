import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { createdAt, primaryId } from "./columns";
import { purchaseRequests } from "./purchaseRequests";
import { users } from "./users";

export const reviews = pgTable(
  "reviews",
  {
    id: primaryId(),
    requestId: uuid("request_id")
      .notNull()
      .references(() => purchaseRequests.id, { onDelete: "cascade" }),
    authorId: uuid("author_id")
      .notNull()
      .references(() => users.id),
    subjectId: uuid("subject_id")
      .notNull()
      .references(() => users.id),
    rating: integer("rating").notNull(),
    body: text("body").notNull().default(""),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("reviews_request_id_author_id_key").on(t.requestId, t.authorId),
    index("reviews_subject_id_idx").on(t.subjectId),
    check("reviews_rating_check", sql`${t.rating} between 1 and 5`),
  ],
);
