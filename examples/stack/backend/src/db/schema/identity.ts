import { bigint, index, pgTable, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, moment, primaryId } from "./columns";
import { users } from "./users";

/** One-time codes and passkey challenges; they expire after minutes and a job deletes them. */
export const tempVerifications = pgTable(
  "temp_verifications",
  {
    id: primaryId(),
    email: varchar("email", { length: 254 }).notNull(),
    purpose: varchar("purpose", { length: 40 }).notNull(),
    codeHash: varchar("code_hash", { length: 64 }).notNull(),
    expiresAt: moment("expires_at").notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("temp_verifications_email_idx").on(t.email), index("temp_verifications_expires_at_idx").on(t.expiresAt)],
);

export const passkeys = pgTable(
  "passkeys",
  {
    id: primaryId(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    credentialId: text("credential_id").notNull(),
    publicKey: text("public_key").notNull(),
    signCount: bigint("sign_count", { mode: "number" }).notNull().default(0),
    createdAt: createdAt(),
  },
  (t) => [uniqueIndex("passkeys_credential_id_key").on(t.credentialId), index("passkeys_user_id_idx").on(t.userId)],
);
