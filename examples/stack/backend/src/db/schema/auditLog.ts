import { bigint, index, jsonb, pgTable, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt } from "./columns";

/** No foreign key on purpose: the trail outlives the user it is about. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    actorId: uuid("actor_id"),
    action: varchar("action", { length: 80 }).notNull(),
    entity: varchar("entity", { length: 60 }).notNull(),
    entityId: uuid("entity_id"),
    detail: jsonb("detail").notNull().default({}),
    createdAt: createdAt(),
  },
  (t) => [index("audit_log_entity_entity_id_idx").on(t.entity, t.entityId), index("audit_log_created_at_idx").on(t.createdAt)],
);
