import { sql } from "drizzle-orm";
import { addresses, users } from "../db/schema";
import type { Seed } from "./run";

const people = ["Ada", "Bruno", "Chen", "Dina", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jun", "Kira", "Lior"];

/** DESTRUCTIVE: empties users and addresses, and with them everything that refers to a user, then fills in sample people. */
export const seedUsers: Seed = async (database) => {
  await database.execute(sql`truncate table ${users}, ${addresses} cascade`);
  const inserted = await database
    .insert(users)
    .values(
      people.map((name, number) => ({
        name,
        email: `${name.toLowerCase()}@example.test`,
        role: number === 0 ? ("admin" as const) : number % 3 === 0 ? ("seller" as const) : ("buyer" as const),
        emailVerified: true,
      })),
    )
    .returning({ id: users.id });
  await database.insert(addresses).values(
    inserted.map(({ id }, number) => ({
      userId: id,
      label: "Home",
      line1: `${number + 1} Sample Street`,
      city: "Exampleton",
      postalCode: `${10001 + number}`,
      country: "DE",
      isPrimary: true,
    })),
  );
  return { users: inserted.length, addresses: inserted.length };
};
