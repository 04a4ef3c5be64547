// Rows are kept apart by tenant, also from the owner of the tables.
import type { Kysely } from "kysely";
import { isolateTenants, keepForSystem, releaseTables } from "#runtime/database/tenant-policy.ts";

const ofTenants = ["client", "account", "sign_in_attempts", "session"];
// What hangs on a client or a session, and the keys, which sign for all.
const ofSystem = ["signing_key", "client_secret", "refresh_token", "revocation"];

export async function up(db: Kysely<never>): Promise<void> {
  await isolateTenants(db, ofTenants);
  await keepForSystem(db, ofSystem);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, [...ofTenants, ...ofSystem]);
}
