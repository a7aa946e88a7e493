import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./src/db/schema/*.ts",
  out: "./drizzle",
  // Only the application's own tables: schemas such as `dbops` belong to the people who operate the database.
  schemaFilter: ["public"],
  dbCredentials: { url: process.env.PG_URL ?? "" },
});
