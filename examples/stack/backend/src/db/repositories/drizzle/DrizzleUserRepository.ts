import { desc, eq } from "drizzle-orm";
import type { Database } from "../../client";
import { users } from "../../schema";

const publicColumns = { id: users.id, email: users.email, name: users.name, role: users.role, createdAt: users.createdAt };

export class DrizzleUserRepository {
  constructor(private readonly database: Database) {}

  list(limit: number) {
    return this.database.select(publicColumns).from(users).orderBy(desc(users.createdAt), users.id).limit(limit);
  }

  async byId(id: string) {
    return (await this.database.select(publicColumns).from(users).where(eq(users.id, id)))[0];
  }

  async byEmail(email: string) {
    return (await this.database.select(publicColumns).from(users).where(eq(users.email, email)))[0];
  }

  /** Undefined when the address is taken. */
  async create(user: { email: string; name: string }) {
    return (await this.database.insert(users).values(user).onConflictDoNothing({ target: users.email }).returning(publicColumns))[0];
  }
}
