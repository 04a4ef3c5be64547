// The same for identity, whose methods mostly know by the request who calls.
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { ada, identityFixture } from "../../services/identity/identity.fixture.ts";
import { worldOf, type Change, type Scenario, type World } from "./scenarios.ts";

export const newPassword = "a better horse battery";

const erp = { clientId: "erp", roles: ["operator"], scopes: ["orders:read"] };
const signIn = { clientId: "shop", login: ada.login, password: ada.password };

async function identityWorld() {
  const fixture = await identityFixture();
  const world = worldOf(fixture);
  const [identity, admin] = [world.client(IdentityService), world.client(AdminService)];
  const tenants = world.client(TenantService);
  // There is a key already: the next one is planned beside it.
  await fixture.keys.listKeys({});
  return { world, identity, admin, tenants, registerAda: () => fixture.identity.registerAccount({ ...ada, clientId: "shop" }) };
}

/** Somebody has an account, and has signed in. */
async function signedInWorld() {
  const { identity, ...rest } = await identityWorld();
  await rest.registerAda();
  const { accessToken, refreshToken } = await identity.signIn(signIn);
  return { ...rest, identity, sessionId: sessionOf(accessToken), refreshToken };
}

/** Claim "sid" of a token. */
function sessionOf(accessToken: string): string {
  const claims = Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString();
  return (JSON.parse(claims) as { sid: string }).sid;
}

type Identity = Awaited<ReturnType<typeof identityWorld>>;
type SignedIn = Awaited<ReturnType<typeof signedInWorld>>;

const scenario = <Prepared extends { world: World }>(
  service: "AdminService" | "IdentityService" | "TenantService",
  method: string,
  about: Pick<Scenario, "resourceKind" | "changesAgain" | "makesCaller"> & {
    prepare: () => Promise<Prepared>;
    change: (on: Prepared) => Change;
  },
): Scenario => ({
  ...about,
  method: `ordermesh.identity.v1.${service}/${method}`,
  prepare: async () => {
    const prepared = await about.prepare();
    return { ...prepared.world, change: about.change(prepared) };
  },
});

const withErp = async (): Promise<Identity> => {
  const prepared = await identityWorld();
  await prepared.admin.createClient(erp);
  return prepared;
};

const ofAdmin: readonly Scenario[] = [
  scenario("AdminService", "CreateClient", {
    resourceKind: "client",
    prepare: identityWorld,
    change:
      ({ admin }) =>
      async () =>
        (await admin.createClient(erp)).client?.clientId,
  }),
  scenario("AdminService", "RotateClientSecret", {
    resourceKind: "client",
    changesAgain: true,
    prepare: withErp,
    change:
      ({ admin }) =>
      async () => {
        await admin.rotateClientSecret({ clientId: "erp" });
        return "erp";
      },
  }),
  scenario("AdminService", "DeleteClient", {
    resourceKind: "client",
    prepare: withErp,
    change:
      ({ admin }) =>
      async () => {
        await admin.deleteClient({ clientId: "erp" });
        return "erp";
      },
  }),
  scenario("AdminService", "RotateKeys", {
    resourceKind: "signing_key",
    prepare: identityWorld,
    change:
      ({ admin }) =>
      async () =>
        (await admin.rotateKeys({})).keyId,
  }),
  scenario("AdminService", "RevokeSessions", {
    resourceKind: "account",
    prepare: signedInWorld,
    change:
      ({ admin }) =>
      async () => {
        await admin.revokeSessions({ customerId: ada.customerId });
        return ada.customerId;
      },
  }),
];

async function withSecond(isDisabled: boolean): Promise<Identity> {
  const prepared = await identityWorld();
  await prepared.tenants.createTenant({ tenantId: "second" });
  if (isDisabled) await prepared.tenants.disableTenant({ tenantId: "second" });
  return prepared;
}

const ofTenants: readonly Scenario[] = [
  scenario("TenantService", "CreateTenant", {
    resourceKind: "tenant",
    prepare: identityWorld,
    change:
      ({ tenants }) =>
      async () =>
        (await tenants.createTenant({ tenantId: "second", title: "A second shop", requestId: "make" })).tenant?.tenantId,
  }),
  scenario("TenantService", "CreateTenantOperator", {
    resourceKind: "client",
    changesAgain: true,
    prepare: identityWorld,
    change:
      ({ tenants }) =>
      async () =>
        (await tenants.createTenantOperator({ tenantId: "demo" })).clientId,
  }),
  scenario("TenantService", "DisableTenant", {
    resourceKind: "tenant",
    prepare: async () => withSecond(false),
    change:
      ({ tenants }) =>
      async () =>
        (await tenants.disableTenant({ tenantId: "second" })).tenant?.tenantId,
  }),
  scenario("TenantService", "EnableTenant", {
    resourceKind: "tenant",
    prepare: async () => withSecond(true),
    change:
      ({ tenants }) =>
      async () =>
        (await tenants.enableTenant({ tenantId: "second" })).tenant?.tenantId,
  }),
];

const ofIdentity: readonly Scenario[] = [
  scenario("IdentityService", "RegisterAccount", {
    resourceKind: "account",
    makesCaller: true,
    prepare: identityWorld,
    change:
      ({ identity }) =>
      async () =>
        (await identity.registerAccount({ login: ada.login, password: ada.password, clientId: "shop" })).customerId,
  }),
  scenario("IdentityService", "ChangePassword", {
    resourceKind: "account",
    prepare: signedInWorld,
    change:
      ({ identity }) =>
      async () => {
        await identity.changePassword({ customerId: ada.customerId, currentPassword: ada.password, newPassword });
        return ada.customerId;
      },
  }),
  scenario("IdentityService", "SignIn", {
    resourceKind: "session",
    changesAgain: true,
    prepare: async () => {
      const prepared = await identityWorld();
      await prepared.registerAda();
      return prepared;
    },
    change:
      ({ identity }) =>
      async () =>
        sessionOf((await identity.signIn(signIn)).accessToken),
  }),
  scenario("IdentityService", "IssueToken", {
    resourceKind: "session",
    // The second use of a refresh token ends its session.
    changesAgain: true,
    prepare: signedInWorld,
    change:
      ({ identity, refreshToken }: SignedIn) =>
      async () =>
        sessionOf((await identity.issueToken({ grantType: "refresh_token", clientId: "shop", refreshToken })).accessToken),
  }),
  scenario("IdentityService", "CreateStreamTicket", {
    resourceKind: "stream",
    changesAgain: true,
    prepare: identityWorld,
    change:
      ({ identity }) =>
      async () => {
        const path = "/v1/orders/ord_1:watch";
        await identity.createStreamTicket({ path });
        return path;
      },
  }),
  scenario("IdentityService", "RevokeToken", {
    resourceKind: "session",
    prepare: signedInWorld,
    change:
      ({ identity, refreshToken, sessionId }: SignedIn) =>
      async () => {
        await identity.revokeToken({ clientId: "shop", token: refreshToken });
        return sessionId;
      },
  }),
];

export const identityScenarios: readonly Scenario[] = [...ofAdmin, ...ofTenants, ...ofIdentity];
