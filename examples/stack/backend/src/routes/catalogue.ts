import { Router } from "express";
import type { Database } from "../db/client";
import { DrizzleCategoryRepository } from "../db/repositories/drizzle/DrizzleCategoryRepository";

export function catalogueRoutes(database: Database): Router {
  const categories = new DrizzleCategoryRepository(database);

  return Router().get("/", async (_request, response) => {
    response.json(await categories.active());
  });
}
