// Calls a service as people and other services do: with a token that opens the method, through the gate of the process.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { createClient, createRouterTransport, type Client, type ConnectRouter } from "@connectrpc/connect";
import { sql, type Kysely } from "kysely";
import { accessOf } from "#runtime/access/method-access.ts";
import { signToken, testIssuer, testKey } from "#runtime/access/access.fixture.ts";
import { createKeys } from "#runtime/access/keys.ts";
import { createRevoked } from "#runtime/access/revoked.ts";
import { createVerifier } from "#runtime/access/verify-token.ts";
import { systemClock } from "#runtime/clock.ts";
import { askedFrom } from "#runtime/limits/asked-from.ts";
import { createLogger } from "#runtime/log.ts";
import type { OnRefused } from "#runtime/rpc/call-context.ts";
import { routerOptions } from "#runtime/rpc/interceptors.ts";
import { testTenant } from "../support/service-fixture.ts";

const key = await testKey("key_test");
const keys = createKeys(() => Promise.resolve([key.published]));
const revoked = createRevoked(systemClock);
export const verify = createVerifier({ issuer: testIssuer, keys, revoked, clock: systemClock });

/** Who calls as what. */
export const subjects = { customer: "ada", operator: "olga", service: "orders" } as const;
export const address = "192.0.2.7";
export const requestId = "req_of-the-test";

export async function tokenFor(method: DescMethod, role = [...accessOf(method).roles][0] ?? "customer"): Promise<string> {
  const scope = accessOf(method).scopes.join(" ");
  return signToken(key, { claims: { sub: subjects[role], client_id: "shop", tenant: testTenant, roles: [role], scope } });
}

export interface Calling {
  routes: (router: ConnectRouter) => void;
  onRefused?: OnRefused;
  /** As what to call; without it, as the first that the method's contract names. */
  role?: keyof typeof subjects;
}

/** Each call shows a token that fits its method, and comes from the address by way of an edge in the same process. */
export function callerOf<Desc extends DescService>(service: Desc, { routes, onRefused, role }: Calling): Client<Desc> {
  const log = createLogger({ level: "silent" });
  const gate = { log, tenant: testTenant, verify, ...(onRefused && { onRefused }) };
  const transport = createRouterTransport(routes, {
    router: routerOptions(gate),
    transport: {
      interceptors: [
        (next) => async (request) => {
          request.header.set("authorization", `Bearer ${await tokenFor(request.method, role)}`);
          request.header.set("x-request-id", requestId);
          return askedFrom(address, () => next(request));
        },
      ],
    },
  });
  return createClient(service, transport);
}

export interface StoredEntry {
  tenant_id: string;
  subject: string;
  client_id: string;
  roles: string;
  method: string;
  resource_kind: string;
  resource_id: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  outcome: string;
  reason: string;
  peer: string;
  request_id: string;
}

/** Entries in the order of their ids. */
export async function entriesOf<Tables>(db: Kysely<Tables>, method?: string): Promise<StoredEntry[]> {
  const read = await sql<StoredEntry>`
    select * from audit_entry where ${method ?? null}::text is null or method = ${method ?? null} order by id`.execute(db);
  return read.rows;
}
