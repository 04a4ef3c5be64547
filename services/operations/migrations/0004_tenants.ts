// Rows are kept apart by tenant, also from the owner of the tables.
import type { Kysely } from "kysely";
import { isolateTenants, keepForSystem, releaseTables } from "#runtime/database/tenant-policy.ts";

const ofTenants = ["dead_letter", "audit_finding", "stream_key"];
// What hangs on a letter or a finding of some tenant, or names several: operations works across tenants, and nobody else is to see it.
const ofSystem = ["letter_delivery", "letter_action", "redrive", "redrive_letter", "sweep_action", "alert_news", "alert_mail"];

export async function up(db: Kysely<never>): Promise<void> {
  await isolateTenants(db, ofTenants);
  await keepForSystem(db, ofSystem);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, [...ofTenants, ...ofSystem]);
}
