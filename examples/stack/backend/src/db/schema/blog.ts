import { index, pgTable, primaryKey, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { createdAt, moment, primaryId, updatedAt } from "./columns";
import { users } from "./users";

export const blogPosts = pgTable(
  "blog_posts",
  {
    id: primaryId(),
    authorId: uuid("author_id")
      .notNull()
      .references(() => users.id),
    slug: varchar("slug", { length: 120 }).notNull(),
    title: varchar("title", { length: 200 }).notNull(),
    body: text("body").notNull(),
    publishedAt: moment("published_at"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (t) => [uniqueIndex("blog_posts_slug_key").on(t.slug), index("blog_posts_published_at_idx").on(t.publishedAt)],
);

export const blogTags = pgTable(
  "blog_tags",
  {
    id: primaryId(),
    slug: varchar("slug", { length: 60 }).notNull(),
    name: varchar("name", { length: 60 }).notNull(),
  },
  (t) => [uniqueIndex("blog_tags_slug_key").on(t.slug)],
);

export const blogPostTags = pgTable(
  "blog_post_tags",
  {
    postId: uuid("post_id")
      .notNull()
      .references(() => blogPosts.id, { onDelete: "cascade" }),
    tagId: uuid("tag_id")
      .notNull()
      .references(() => blogTags.id, { onDelete: "cascade" }),
  },
  (t) => [primaryKey({ columns: [t.postId, t.tagId] })],
);
