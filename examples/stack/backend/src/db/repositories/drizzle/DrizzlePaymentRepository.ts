import { desc, eq, sql } from "drizzle-orm";
import type { Database } from "../../client";
import { payments } from "../../schema";

/** `amount` is a decimal string. */
export type PaymentDTO = typeof payments.$inferSelect;
export type NewPayment = typeof payments.$inferInsert & { idempotencyKey: string };

export class DrizzlePaymentRepository {
  constructor(private readonly database: Database) {}

  async byId(id: string): Promise<PaymentDTO | undefined> {
    return (await this.database.select().from(payments).where(eq(payments.id, id)))[0];
  }

  ofUser(userId: string, limit: number): Promise<PaymentDTO[]> {
    return this.database.select().from(payments).where(eq(payments.userId, userId)).orderBy(desc(payments.createdAt), payments.id).limit(limit);
  }

  /** Inserts the payment, or finds the one that has its idempotency key already. */
  async createOnce(payment: NewPayment): Promise<{ payment: PaymentDTO; created: boolean }> {
    const [created] = await this.database.insert(payments).values(payment).onConflictDoNothing({ target: payments.idempotencyKey }).returning();
    if (created) return { payment: created, created: true };
    const [earlier] = await this.database.select().from(payments).where(eq(payments.idempotencyKey, payment.idempotencyKey));
    if (!earlier) throw new Error("a payment vanished between insert and select");
    return { payment: earlier, created: false };
  }

  async change(id: string, values: Partial<PaymentDTO>): Promise<PaymentDTO | undefined> {
    return (await this.database.update(payments).set({ ...values, updatedAt: sql`now()` }).where(eq(payments.id, id)).returning())[0];
  }
}
