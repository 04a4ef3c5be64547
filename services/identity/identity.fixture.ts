// Identity on a database of its own, with a clock that tests move, a shop and a customer.
import type { Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { identity as definition } from "./main.ts";
import type { IdentityTables } from "./store/tables.ts";

export const testSecret = "a-secret-that-is-for-tests-and-nothing-else";
export const operatorSecret = "a-test-operator-secret";
export const ada = { login: "ada@example.test", password: "correct horse battery", customerId: "ada" };

export interface IdentityFixture extends ServiceFixture<IdentityTables> {
  identity: Client<typeof IdentityService>;
  admin: Client<typeof AdminService>;
  tenants: Client<typeof TenantService>;
  keys: Client<typeof KeysService>;
  /** Does what is done every ten minutes. */
  care(): Promise<void>;
  /** Moves the time of everything that the service does. */
  pass(ms: number): void;
  now(): Date;
}

/** With the public client "shop". */
export async function identityFixture(env: Record<string, string> = {}): Promise<IdentityFixture> {
  let time = Date.parse("2026-03-01T08:00:00Z");
  const fixture = await serviceFixture(definition, {
    clock: { now: () => new Date(time) },
    as: "operator",
    env: { ORDERMESH_SECRET: testSecret, ORDERMESH_OPERATOR_SECRET: operatorSecret, ...env },
  });
  const admin = fixture.client(AdminService);
  await admin.createClient({ clientId: "shop", public: true, roles: ["customer"], scopes: ["orders:read", "orders:write"] });
  return {
    ...fixture,
    identity: fixture.client(IdentityService),
    admin,
    tenants: fixture.client(TenantService),
    keys: fixture.client(KeysService),
    care: () => takeCare(fixture),
    pass: (ms) => void (time += ms),
    now: () => new Date(time),
  };
}

async function takeCare({ runtime, parts }: ServiceFixture<IdentityTables>): Promise<void> {
  const [task] = parts.tasks ?? [];
  if (!task) throw new Error("there is no task");
  const lease = { name: task.name, holder: "test", epoch: 1 };
  await sql`
    insert into lease (name, holder, epoch, expire_time) values (${lease.name}, ${lease.holder}, 1, now() + interval '1 hour')
    on conflict do nothing`.execute(runtime.db);
  const ending = new AbortController();
  // It needs no bus.
  const round = task.run(undefined as never, lease, ending.signal);
  // It ends after the round that has begun.
  ending.abort();
  await round;
}

/** All that the pool may have, so that what is asked at the same time comes to the database at the same time. */
export async function openConnections({ runtime }: IdentityFixture): Promise<void> {
  await Promise.all(Array.from({ length: 5 }, () => sql`select pg_sleep(0.3)`.execute(runtime.db)));
}

/** A confidential client of the tenant, and its secret. */
export async function confidentialClient(
  { admin }: Pick<IdentityFixture, "admin">,
  change: { clientId?: string; roles?: string[]; scopes?: string[]; rateLimit?: number } = {},
): Promise<{ clientId: string; clientSecret: string }> {
  const { client, clientSecret } = await admin.createClient({ roles: ["operator"], scopes: ["orders:read"], ...change });
  return { clientId: client?.clientId ?? "", clientSecret };
}
