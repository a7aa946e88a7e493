ALTER TABLE "payments" ADD COLUMN "settlement_reference" varchar(64);--> statement-breakpoint
CREATE INDEX "payments_settlement_reference_idx" ON "payments" USING btree ("settlement_reference");
