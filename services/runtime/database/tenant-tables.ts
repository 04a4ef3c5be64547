// Of the runtime's tables those that hold tenants' data are kept apart by tenant, also from the owner of the tables.
import type { Kysely } from "kysely";
import { isolateTenants, keepForSystem, releaseTables } from "./tenant-policy.ts";

const ofTenants = ["outbox", "due_work", "parked_event", "unsent_event"];
// Ids of events, without whose they are. The runtime alone asks for them, and always across tenants.
const ofSystem = ["inbox", "suspect_event"];

export async function up(db: Kysely<never>): Promise<void> {
  await isolateTenants(db, ofTenants);
  await keepForSystem(db, ofSystem);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, [...ofTenants, ...ofSystem]);
}
