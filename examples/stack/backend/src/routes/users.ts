import { Router } from "express";
import type { Database } from "../db/client";
import { DrizzleUserRepository } from "../db/repositories/drizzle/DrizzleUserRepository";
import { found, HttpError, limit, text, uuid } from "../http";

export function userRoutes(database: Database): Router {
  const users = new DrizzleUserRepository(database);

  return Router()
    .get("/", async (request, response) => {
      response.json(await users.list(limit(request.query.limit)));
    })
    .get("/:id", async (request, response) => {
      response.json(found(await users.byId(uuid(request.params.id, "id")), "user"));
    })
    .post("/", async (request, response) => {
      const user = await users.create({ email: text(request.body?.email, "email", 254), name: text(request.body?.name, "name", 120) });
      if (!user) throw new HttpError(409, "[email-taken] There is a user with this address already.");
      response.status(201).json(user);
    });
}
