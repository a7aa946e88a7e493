import { sql } from "drizzle-orm";
import { Router } from "express";
import type { Database } from "../db/client";
import { payments, purchaseRequests, users } from "../db/schema";
import { HttpError } from "../http";
import { type Cache, keys } from "../redis";

const TTL_SECONDS = 60;

/** Aggregates that are too dear to compute for each visitor: Redis keeps each for a minute. */
export function statsRoutes(database: Database, cache: Cache): Router {
  const aggregates: Record<string, () => Promise<unknown>> = {
    payments: () =>
      database
        .select({ status: payments.status, count: sql<number>`count(*)::int`, total: sql<string>`sum(${payments.amount})` })
        .from(payments)
        .groupBy(payments.status),
    requests: () =>
      database
        .select({ status: purchaseRequests.status, count: sql<number>`count(*)::int` })
        .from(purchaseRequests)
        .groupBy(purchaseRequests.status),
    users: () => database.select({ role: users.role, count: sql<number>`count(*)::int` }).from(users).groupBy(users.role),
  };

  return Router().get("/:name", async (request, response) => {
    const aggregate = aggregates[request.params.name];
    if (!aggregate) throw new HttpError(404, `[not-found] There are these: ${Object.keys(aggregates).join(", ")}.`);
    const key = keys.stats(request.params.name);
    const cached = await cache.get(key);
    const body = cached ?? JSON.stringify(await aggregate());
    if (cached === null) await cache.set(key, body, { expiration: { type: "EX", value: TTL_SECONDS } });
    response.set("X-Cache", cached === null ? "miss" : "hit").type("json").send(body);
  });
}
