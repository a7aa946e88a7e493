import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, uuid } from "drizzle-orm/pg-core";
import { createdAt, primaryId, updatedAt } from "./columns";
import { purchaseRequests } from "./purchaseRequests";

export type ChatParticipant = { userId: string; role: "buyer" | "seller" | "admin" };
export type ChatMessage = { id: string; from: string; body: string; at: string };

export const chats = pgTable(
  "chats",
  {
    id: primaryId(),
    requestId: uuid("request_id").references(() => purchaseRequests.id, { onDelete: "set null" }),
    participants: jsonb("participants").$type<ChatParticipant[]>().notNull(),
    messages: jsonb("messages").$type<ChatMessage[]>().notNull().default(sql`'[]'::jsonb`),
    messageCount: integer("message_count").notNull().default(0),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    index("chats_participants_idx").using("gin", t.participants.op("jsonb_path_ops")),
    index("chats_updated_at_idx").on(t.updatedAt),
  ],
);
