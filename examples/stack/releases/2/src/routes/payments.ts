import { Router } from "express";
import type { Database } from "../db/client";
import { DrizzlePaymentRepository } from "../db/repositories/drizzle/DrizzlePaymentRepository";
import { paymentStatus } from "../db/schema";
import { amount, found, HttpError, limit, text, uuid } from "../http";
import { type Cache, keys } from "../redis";

const ONE_DAY = 24 * 3600;

export function paymentRoutes(database: Database, cache: Cache): Router {
  const payments = new DrizzlePaymentRepository(database);

  return Router()
    .post("/", async (request, response) => {
      const idempotencyKey = text(request.get("Idempotency-Key"), "header Idempotency-Key", 80);
      const wanted = {
        idempotencyKey,
        userId: uuid(request.body?.userId, "userId"),
        amount: amount(request.body?.amount, "amount"),
        currency: text(request.body?.currency, "currency", 8),
        provider: text(request.body?.provider ?? "manual", "provider", 40),
      };
      // Redis answers a repeated request without the database; the unique column is what makes a second payment impossible.
      const known = await cache.get(keys.idempotency(idempotencyKey));
      const earlier = known ? await payments.byId(known) : undefined;
      const { payment, created } = earlier ? { payment: earlier, created: false } : await payments.createOnce(wanted);
      if (payment.userId !== wanted.userId) throw new HttpError(409, "[idempotency-key-reused] This key belongs to another payment.");
      await cache
        .set(keys.idempotency(idempotencyKey), payment.id, { expiration: { type: "EX", value: ONE_DAY } })
        .catch(() => undefined); // the payment is committed: say so, even if Redis has just gone
      response.status(created ? 201 : 200).json(payment);
    })
    .get("/", async (request, response) => {
      response.json(await payments.ofUser(uuid(request.query.userId, "userId"), limit(request.query.limit)));
    })
    .put("/:id/status", async (request, response) => {
      const status = paymentStatus.enumValues.find((value) => value === request.body?.status);
      if (!status) throw new HttpError(400, `[bad-input] status must be one of ${paymentStatus.enumValues.join(", ")}.`);
      response.json(found(await payments.change(uuid(request.params.id, "id"), { status }), "payment"));
    })
    .put("/:id/settlement", async (request, response) => {
      const settlementReference = text(request.body?.settlementReference, "settlementReference", 64);
      response.json(found(await payments.change(uuid(request.params.id, "id"), { settlementReference }), "payment"));
    })
    .get("/:id", async (request, response) => {
      response.json(found(await payments.byId(uuid(request.params.id, "id")), "payment"));
    });
}
