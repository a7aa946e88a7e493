import { asc, eq } from "drizzle-orm";
import type { Database } from "../../client";
import { categories } from "../../schema";

export class DrizzleCategoryRepository {
  constructor(private readonly database: Database) {}

  active() {
    return this.database
      .select({ id: categories.id, slug: categories.slug, name: categories.name, parentId: categories.parentId })
      .from(categories)
      .where(eq(categories.active, true))
      .orderBy(asc(categories.position), asc(categories.slug));
  }
}
