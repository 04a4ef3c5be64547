// Who is there to try things out: an operator, a client in which customers sign in, and a customer. Everybody knows their secrets,
// so the composition makes them only on servers that it has started itself, or where it is told to.
import type { Client } from "@connectrpc/connect";
import type { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import type { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";

/** The first operator's, where ORDERMESH_OPERATOR_SECRET does not say another. */
export const demoOperatorSecret = "development-operator-secret";
export const demoSignIn = { client_id: "shop", login: "ada@example.test", password: "development-password" } as const;

const demoCustomerId = "ada";
const shopScopes = [
  "catalog:read",
  "inventory:read",
  "orders:read",
  "orders:write",
  "payments:read",
  "payments:write",
  "shipping:read",
  "customers:read",
  "customers:write",
  "notifications:read",
  "notifications:write",
  "media:read",
  "media:write",
];

/**
 * Whatever is there already stays as it is, also where it is somebody else's. Answers by which headers somebody is the operator, and
 * whose account it made.
 */
export async function seedIdentity(
  { identity, admin }: { identity: Client<typeof IdentityService>; admin: Client<typeof AdminService> },
  operatorSecret: string,
): Promise<{ headers: { authorization: string }; customerId: string }> {
  const operator = { clientId: "operator", clientSecret: operatorSecret };
  const { accessToken } = await identity.issueToken({ ...operator, grantType: "client_credentials" });
  const headers = { authorization: `Bearer ${accessToken}` };
  const { client_id: clientId, login, password } = demoSignIn;
  const shop = { clientId, title: "Demonstration shop", public: true, roles: ["customer"], scopes: shopScopes };
  await ignoring(["CLIENT_ID_TAKEN"], admin.createClient(shop, { headers }));
  const account = { clientId, login, password, customerId: demoCustomerId };
  await ignoring(["LOGIN_TAKEN", "CUSTOMER_ID_TAKEN", "CUSTOMER_ERASED"], identity.registerAccount(account, { headers }));
  return { headers, customerId: demoCustomerId };
}

async function ignoring(reasons: readonly string[], call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!reasons.includes(reasonOf(error) ?? "")) throw error;
  }
}
