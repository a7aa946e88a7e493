import { timestamp, uuid } from "drizzle-orm/pg-core";

/** The primary key every domain table has: a UUID, never a MongoDB ObjectId. */
export const primaryId = () => uuid("id").primaryKey().defaultRandom();

/** A point in time with its zone; columns without one shift when a server's zone changes. */
export const moment = (name: string) => timestamp(name, { withTimezone: true });

export const createdAt = () => moment("created_at").notNull().defaultNow();

export const updatedAt = () => moment("updated_at").notNull().defaultNow();
