// The role that the work runs as: it owns nothing and passes no policy. The owner of the tables makes it and gives it what the
// work needs, in each service's own schema and nowhere else.
import { sql, type Kysely } from "kysely";
import { StartupError } from "../backing/startup-error.ts";

export const applicationRole = "ordermesh_app";
const role = sql.id(applicationRole);

/** Somebody else makes or grants the same at this moment: services and replicas start together, databases share their roles. */
const codesOfRace = new Set(["23505", "42710", "XX000", "40001"]);
const noPrivilege = "42501";
const triesMax = 20;

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

/**
 * Makes sure that the role is there, that the owner may work as it, and that it has the schema's tables. Repeated at each start.
 * Throws StartupError where an administrator has to help.
 */
export async function provideApplicationRole<Tables>(owner: Kysely<Tables>, schema: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await makeRole(owner);
      await owner.transaction().execute(async (tx) => {
        // Replicas of the service take turns.
        await sql`select pg_advisory_xact_lock(hashtext(${`ordermesh grants ${schema}`}))`.execute(tx);
        await grantSchema(tx as unknown as Kysely<never>, schema);
      });
      return;
    } catch (error) {
      if (!codesOfRace.has(codeOf(error)) || tries === triesMax) throw error;
    }
  }
}

async function makeRole<Tables>(owner: Kysely<Tables>): Promise<void> {
  const read = await sql<{ user: string; exists: boolean; bypasses: boolean | null; isMember: boolean | null }>`
    select current_user as user, app.oid is not null as exists, app.rolsuper or app.rolbypassrls as bypasses,
      -- Since 16 a role may be a member of another and still not become it.
      pg_has_role(app.oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end) as "isMember"
    from (select) as one left join pg_roles as app on rolname = ${applicationRole}`.execute(owner);
  const { user = "", exists, bypasses, isMember } = read.rows[0] ?? {};
  const ask = (statements: string): StartupError =>
    new StartupError(`The database's user "${user}" may not give the work its role: let an administrator run "${statements}".`);
  if (bypasses) {
    throw new StartupError(
      `The role ${applicationRole} passes row-level security, so tenants would not be apart: let an administrator run "alter role ${applicationRole} nosuperuser nobypassrls".`,
    );
  }
  const refusedAs = (statements: string) => (error: unknown) => {
    throw codeOf(error) === noPrivilege ? ask(statements) : error;
  };
  const grant = `grant ${applicationRole} to "${user}"`;
  if (!exists) {
    await sql`create role ${role} nologin nosuperuser nobypassrls`
      .execute(owner)
      .catch(refusedAs(`create role ${applicationRole} nologin; ${grant}`));
  }
  if (!isMember) await sql`grant ${role} to current_user`.execute(owner).catch(refusedAs(grant));
}

/** Rows, and of most tables everything that is done with rows; others are only read, or only added to. */
const allRights = ["select", "insert", "update", "delete"];
const rightsOfFew: Readonly<Record<string, readonly string[]>> = {
  migration: ["select"],
  migration_lock: ["select"],
  audit_entry: ["select", "insert"],
  audit_seal: ["select", "insert"],
};

/** No truncate, no references, no triggers. Partitions are reached by their tables. */
async function grantSchema(owner: Kysely<never>, schema: string): Promise<void> {
  const read = await sql<{ name: string; held: string[] }>`
    select relname as name,
      array(
        select right_name from unnest(${allRights}::text[]) as right_name where has_table_privilege(${applicationRole}, oid, right_name)
      ) as held
    from pg_class
    where relnamespace = ${schema}::regnamespace and relkind in ('r', 'p') and not relispartition`.execute(owner);
  await sql`grant usage on schema ${sql.id(schema)} to ${role}`.execute(owner);
  const missing = read.rows.flatMap(({ name, held }) => {
    const rights = rightsOfFew[name] ?? allRights;
    return rights.every((right) => held.includes(right)) ? [] : [{ name, rights: rights.join(", ") }];
  });
  for (const [rights, tables] of Map.groupBy(missing, (table) => table.rights)) {
    const listed = sql.join(tables.map(({ name }) => sql.id(schema, name)));
    await sql`grant ${sql.raw(rights)} on ${listed} to ${role}`.execute(owner);
  }
}

/**
 * Throws StartupError where the work's connection could pass row-level security. With `isApart` it has a login of its own, and
 * that must be a stranger to the tables as well.
 */
export async function checkApplicationRole<Tables>(
  application: Kysely<Tables>,
  { schema, isApart }: { schema: string; isApart: boolean },
): Promise<void> {
  const read = await sql<{ user: string; login: string; bypasses: boolean; loginBypasses: boolean; loginOwns: boolean }>`
    select current_user as user, session_user as login,
      (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as bypasses,
      (select rolsuper or rolbypassrls from pg_roles where rolname = session_user) as "loginBypasses",
      exists (
        select from pg_class where relnamespace = ${schema}::regnamespace and pg_has_role(session_user, relowner, 'member')
      ) as "loginOwns"`
    .execute(application)
    .catch((error: unknown) => {
      const message = (error as Error).message;
      if (!/role/.test(message)) throw error;
      throw new StartupError(
        `The work's login may not be ${applicationRole} (${message}): let an administrator run "grant ${applicationRole} to" that login.`,
      );
    });
  const { user = "", login = "", bypasses, loginBypasses, loginOwns } = read.rows[0] ?? {};
  if (user !== applicationRole || bypasses) {
    throw new StartupError(
      `The work would run as "${user}", which passes row-level security: let connections keep "-c role=${applicationRole}" from their start.`,
    );
  }
  if (isApart && (loginBypasses || loginOwns)) {
    throw new StartupError(
      `ORDERMESH_APP_DATABASE_URL logs in as "${login}", which owns the tables or passes row-level security: give it a login of its own that does neither.`,
    );
  }
}
