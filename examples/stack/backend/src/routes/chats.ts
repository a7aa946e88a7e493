import { randomUUID } from "node:crypto";
import { Router } from "express";
import type { Database } from "../db/client";
import { DrizzleChatRepository } from "../db/repositories/drizzle/DrizzleChatRepository";
import { found, HttpError, text, uuid } from "../http";

export function chatRoutes(database: Database): Router {
  const chats = new DrizzleChatRepository(database);

  return Router()
    .post("/", async (request, response) => {
      const ids: unknown = request.body?.participants;
      if (!Array.isArray(ids) || ids.length < 2) throw new HttpError(400, "[bad-input] participants must be at least two user ids.");
      response.status(201).json(await chats.create(ids.map((id) => ({ userId: uuid(id, "participants[]"), role: "buyer" }))));
    })
    .get("/:id", async (request, response) => {
      response.json(found(await chats.byId(uuid(request.params.id, "id")), "chat"));
    })
    .post("/:id/messages", async (request, response) => {
      const message = {
        id: randomUUID(),
        from: uuid(request.body?.from, "from"),
        body: text(request.body?.body, "body", 4000),
        at: new Date().toISOString(),
      };
      found(await chats.append(uuid(request.params.id, "id"), message), "chat");
      response.status(201).json(message);
    });
}
