import { eq, sql } from "drizzle-orm";
import type { Database } from "../../client";
import { type ChatMessage, type ChatParticipant, chats } from "../../schema";

export class DrizzleChatRepository {
  constructor(private readonly database: Database) {}

  async create(participants: ChatParticipant[]) {
    return (await this.database.insert(chats).values({ participants }).returning())[0];
  }

  async byId(id: string) {
    return (await this.database.select().from(chats).where(eq(chats.id, id)))[0];
  }

  /** Appends inside the database, so that two senders never overwrite each other. Undefined when there is no such chat. */
  async append(id: string, message: ChatMessage) {
    const appended = await this.database
      .update(chats)
      .set({
        messages: sql`${chats.messages} || ${JSON.stringify([message])}::jsonb`,
        messageCount: sql`${chats.messageCount} + 1`,
        updatedAt: sql`now()`,
      })
      .where(eq(chats.id, id))
      .returning({ id: chats.id });
    return appended[0];
  }
}
