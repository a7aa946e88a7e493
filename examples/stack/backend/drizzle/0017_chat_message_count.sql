ALTER TABLE "chats" ADD COLUMN "message_count" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
-- Written by hand: the chats that exist already get their count.
UPDATE "chats" SET "message_count" = jsonb_array_length("messages");
