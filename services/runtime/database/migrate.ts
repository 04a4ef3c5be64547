// Brings a service's schema to the newest version, under a lock, forwards at start and backwards in tests.
import { readdir } from "node:fs/promises";
import { sql, type Kysely } from "kysely";
import { Migrator, NO_MIGRATIONS, type Migration } from "kysely/migration";
import { provideApplicationRole } from "./application-role.ts";
import * as runtimeTables from "./runtime-tables.ts";
import * as attemptTables from "./attempt-tables.ts";
import * as auditLogTables from "./audit-log-tables.ts";
import * as deliveryTables from "./delivery-tables.ts";
import * as scheduleTables from "./schedule-tables.ts";
import * as tenantTables from "./tenant-tables.ts";

async function loadMigrations(folder: URL): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter((name) => /^\d{4}_.+\.ts$/.test(name));
  const loaded = await Promise.all(
    files.map(
      async (name): Promise<[string, Migration]> => [name.replace(/\.ts$/, ""), await import(new URL(name, folder).href)],
    ),
  );
  // Before any of the service's own, which start at 0001.
  const own: [string, Migration][] = [
    ["0000_runtime_tables", runtimeTables],
    ["0000_runtime_tables_2_delivery", deliveryTables],
    ["0000_runtime_tables_3_tenants", tenantTables],
    ["0000_runtime_tables_4_audit_log", auditLogTables],
    ["0000_runtime_tables_5_schedule", scheduleTables],
    ["0000_runtime_tables_6_attempts", attemptTables],
  ];
  return Object.fromEntries([...own, ...loaded]);
}

async function migrator<Tables>(db: Kysely<Tables>, options: { schema: string; folder: URL }): Promise<Migrator> {
  const migrations = await loadMigrations(options.folder);
  return new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
    // The runtime's next migration comes after a service's first ones where that service is older.
    allowUnorderedMigrations: true,
    migrationTableSchema: options.schema,
    migrationTableName: "migration",
    migrationLockTableName: "migration_lock",
  });
}

/**
 * Migrates to the newest version, as the owner of the tables, and lets the application work on them. Throws with the migration's
 * name where one fails; nothing of it then stays. Throws StartupError where the application cannot be given its role.
 */
export async function migrateUp<Tables>(db: Kysely<Tables>, options: { schema: string; folder: URL }): Promise<void> {
  await sql`create schema if not exists ${sql.id(options.schema)}`.execute(db).catch(ignoreMadeByReplica);
  const { error, results } = await (await migrator(db, options)).migrateToLatest();
  const failed = results?.find((result) => result.status === "Error")?.migrationName;
  if (error) throw new Error(`migration ${options.schema}/${failed ?? "?"} failed`, { cause: error });
  await provideApplicationRole(db, options.schema);
}

/** Another replica makes the same schema at this moment, which "if not exists" does not see: 23505, 42P06. */
function ignoreMadeByReplica(error: unknown): void {
  if (!["23505", "42P06"].includes(String((error as { code?: unknown }).code))) throw error;
}

/** Takes everything back. For tests: production only goes forward. */
export async function migrateDown<Tables>(db: Kysely<Tables>, options: { schema: string; folder: URL }): Promise<void> {
  const { error } = await (await migrator(db, options)).migrateTo(NO_MIGRATIONS);
  if (error) throw new Error(`migrating ${options.schema} down failed`, { cause: error });
}

/** Names of migrations that the code has and the database has not. */
export async function pendingMigrations<Tables>(db: Kysely<Tables>, options: { schema: string; folder: URL }): Promise<string[]> {
  const all = await (await migrator(db, options)).getMigrations();
  return all.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}
