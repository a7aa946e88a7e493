ALTER TABLE "payments" ADD COLUMN "settlement_reference" varchar(64);--> statement-breakpoint
CREATE INDEX "payments_settlement_reference_idx" ON "payments" USING btree ("settlement_reference");--> statement-breakpoint
-- squawk-ignore ban-drop-column
ALTER TABLE "users" DROP COLUMN "legacy_object_id";
