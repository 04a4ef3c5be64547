// A mesh whose edge has a port that is known before it starts, so that the issuer is right, with a shop and a customer.
import { randomBytes } from "node:crypto";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";
import { freePorts } from "../support/ports.ts";

export const operator = { clientId: "operator", clientSecret: "a-test-operator-secret" };
export const ada = { client_id: "shop", login: "ada@example.test", password: "correct horse battery" };

export interface TokenAnswer {
  access_token: string;
  refresh_token: string;
  scope: string;
}

export interface IdentityWorld {
  mesh: TestMesh;
  issuer: string;
  /** As an operator does it, with a token of its own. */
  asOperator(): Promise<{ headers: { authorization: string } }>;
  /** A new client of the test; confidential. */
  newClient(scopes?: string[]): Promise<{ clientId: string; clientSecret: string }>;
  signIn(): Promise<TokenAnswer>;
  close(): Promise<void>;
}

export async function postJson<Answer>(url: string, body: object, given: Record<string, string> = {}): Promise<Answer> {
  const headers = { "content-type": "application/json", ...given };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} is answered with ${response.status}: ${text}`);
  return JSON.parse(text) as Answer;
}

/** By one line, as docs/identity.md has it. */
export async function operatorToken(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/oauth/token`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${operator.clientId}:${operator.clientSecret}`).toString("base64")}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  return ((await response.json()) as TokenAnswer).access_token;
}

export async function identityWorld(): Promise<IdentityWorld> {
  const [port = 0] = await freePorts(1);
  const issuer = `http://127.0.0.1:${port}`;
  const mesh = await testMesh({
    ORDERMESH_EDGE_PORT: String(port),
    ORDERMESH_ISSUER: issuer,
    ORDERMESH_OPERATOR_SECRET: operator.clientSecret,
  });
  const admin = mesh.client(AdminService);
  const asOperator = async () => ({ headers: { authorization: `Bearer ${await operatorToken(issuer)}` } });
  const shop = { clientId: "shop", public: true, roles: ["customer"], scopes: ["orders:read", "orders:write"] };
  await admin.createClient(shop, await asOperator());
  await postJson(`${issuer}/v1/accounts`, { ...ada, customer_id: "ada" }, (await asOperator()).headers);
  return {
    mesh,
    issuer,
    asOperator,
    newClient: async (scopes = ["orders:read", "orders:write"]) => {
      const clientId = `client-${randomBytes(4).toString("hex")}`;
      const { clientSecret } = await admin.createClient({ clientId, roles: ["operator"], scopes }, await asOperator());
      return { clientId, clientSecret };
    },
    signIn: () => postJson(`${issuer}/auth/token`, ada),
    close: mesh.close,
  };
}
