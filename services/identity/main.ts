// Identity: who clients and customers are, and the tokens by which everybody else knows it.
import { file_ordermesh_identity_events_v1_identity_events } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { keyFor, readIssuer } from "#runtime/access/settings.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { identityHears } from "./consumers.ts";
import { createAccessTokens } from "./rpc/access-tokens.ts";
import { createClients } from "./rpc/authenticate.ts";
import { configuredClients, homeTenant } from "./rpc/configured-clients.ts";
import { createPasswords } from "./rpc/password.ts";
import { identityRoutes } from "./rpc/routes.ts";
import { accountData } from "./store/personal-data.ts";
import type { IdentityTables } from "./store/tables.ts";
import { careTask } from "./tasks/care.ts";

export const identity: ServiceDefinition<IdentityTables> = {
  name: "identity",
  services: [IdentityService, AdminService, TenantService, KeysService],
  emits: [file_ordermesh_identity_events_v1_identity_events],
  migrations: new URL("./migrations/", import.meta.url),
  create: ({ env, system, inBackground }) => {
    // Which tenant a call is for is known when the client is: by its id, which is unique among all tenants.
    const { db, transaction } = system;
    const home = homeTenant(env);
    const issuer = readIssuer(env);
    const sealingKey = once(() => keyFor("signing keys", env));
    const configured = once(() => configuredClients(env));
    const tokens = createAccessTokens({ issuer, sealingKey });
    const clients = createClients(configured);
    const passwords = createPasswords();
    return {
      routes: identityRoutes({ db, transaction, home, issuer, sealingKey, configured, tokens, clients, passwords }),
      hears: identityHears(),
      tasks: [careTask({ transaction, inBackground, sealingKey })],
      personalData: accountData(db),
    };
  },
};

/** The secret is read, or even made, when it is needed first and not when the service is wired. */
function once<Value>(read: () => Value): () => Value {
  let known: { value: Value } | undefined;
  return () => (known ??= { value: read() }).value;
}
