ALTER TABLE "payments" ADD COLUMN "idempotency_key" varchar(80);--> statement-breakpoint
CREATE UNIQUE INDEX "payments_idempotency_key_key" ON "payments" USING btree ("idempotency_key");--> statement-breakpoint
CREATE INDEX "purchase_requests_search_idx" ON "purchase_requests" USING gin (to_tsvector('simple', "title"));
