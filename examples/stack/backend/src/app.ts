import express, { type ErrorRequestHandler, type Express } from "express";
import type { Pool } from "pg";
import type { Database } from "./db/client";
import { checkHealth } from "./health";
import { HttpError } from "./http";
import { log, reason } from "./log";
import { limitRequests } from "./rateLimit";
import type { Cache } from "./redis";
import { authRoutes } from "./routes/auth";
import { catalogueRoutes } from "./routes/catalogue";
import { chatRoutes } from "./routes/chats";
import { paymentRoutes } from "./routes/payments";
import { statsRoutes } from "./routes/stats";
import { userRoutes } from "./routes/users";

const FOREIGN_KEY_VIOLATION = "23503";

export type Services = { pool: Pool; database: Database; cache: Cache; requestsPerMinute: number };

export function createApp({ pool, database, cache, requestsPerMinute }: Services): Express {
  const app = express();
  app.disable("x-powered-by");

  // Before the rate limit: a probe that is refused would look like an outage.
  app.get("/api/health", async (_request, response) => {
    const health = await checkHealth(pool, cache);
    response.status(health.status === "ok" ? 200 : 503).set("Cache-Control", "no-store").json(health);
  });

  app.use(limitRequests(cache, requestsPerMinute), express.json({ limit: "100kb" }));
  app.use("/api/auth", authRoutes(database, cache));
  app.use("/api/categories", catalogueRoutes(database));
  app.use("/api/chats", chatRoutes(database));
  app.use("/api/payments", paymentRoutes(database, cache));
  app.use("/api/stats", statsRoutes(database, cache));
  app.use("/api/users", userRoutes(database));
  app.use(() => {
    throw new HttpError(404, "[not-found] There is no such route.");
  });
  app.use(answerError);
  return app;
}

const answerError: ErrorRequestHandler = (error, request, response, _next) => {
  if (error?.cause?.code === FOREIGN_KEY_VIOLATION) {
    error = new HttpError(422, "[bad-reference] Something that this request refers to does not exist.");
  }
  const status = error instanceof HttpError || error?.expose ? Number(error.status) : 503;
  if (status === 503) log("request-failed", { method: request.method, path: request.path, reason: reason(error?.cause ?? error) });
  response.status(status).json({ error: status === 503 ? "[unavailable] A server behind this one did not answer as expected. Try again." : reason(error) });
};
