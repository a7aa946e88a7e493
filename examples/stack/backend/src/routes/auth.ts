import { createHash, randomBytes } from "node:crypto";
import { Router } from "express";
import type { Database } from "../db/client";
import { DrizzleUserRepository } from "../db/repositories/drizzle/DrizzleUserRepository";
import { found, HttpError, text, uuid } from "../http";
import { type Cache, keys } from "../redis";

const THIRTY_DAYS = 30 * 24 * 3600;

/** Refresh tokens: Redis holds the hash of the one that is valid, and the hashes of those that were revoked early. */
export function authRoutes(database: Database, cache: Cache): Router {
  const users = new DrizzleUserRepository(database);
  const hash = (token: string) => createHash("sha256").update(token).digest("hex");

  async function issue(userId: string): Promise<{ refreshToken: string; expiresIn: number }> {
    const refreshToken = randomBytes(32).toString("base64url");
    await cache.set(keys.refresh(userId), hash(refreshToken), { expiration: { type: "EX", value: THIRTY_DAYS } });
    return { refreshToken, expiresIn: THIRTY_DAYS };
  }

  return Router()
    .post("/login", async (request, response) => {
      const user = found(await users.byEmail(text(request.body?.email, "email", 254)), "user");
      response.status(201).json({ userId: user.id, ...(await issue(user.id)) });
    })
    .post("/refresh", async (request, response) => {
      const userId = uuid(request.body?.userId, "userId");
      const token = hash(text(request.body?.refreshToken, "refreshToken", 200));
      const [valid, revoked] = await Promise.all([cache.get(keys.refresh(userId)), cache.exists(keys.revoked(token))]);
      if (valid !== token || revoked) throw new HttpError(401, "[token-refused] This refresh token is not valid. Log in again.");
      response.json({ userId, ...(await issue(userId)) });
    })
    .post("/logout", async (request, response) => {
      const userId = uuid(request.body?.userId, "userId");
      const token = hash(text(request.body?.refreshToken, "refreshToken", 200));
      await cache.set(keys.revoked(token), "1", { expiration: { type: "EX", value: THIRTY_DAYS } });
      await cache.unlink(keys.refresh(userId));
      response.status(204).end();
    });
}
