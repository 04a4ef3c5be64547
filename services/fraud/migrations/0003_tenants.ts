// Rows are kept apart by tenant, also from the owner of the tables.
import type { Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

const tables = ["rule", "assessment", "cancelled_order"];

export async function up(db: Kysely<never>): Promise<void> {
  await isolateTenants(db, tables);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, tables);
}
