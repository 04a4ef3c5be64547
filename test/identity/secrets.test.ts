// What a thief of the database, of its events or of the log would have: nothing that opens anything.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { keyFor } from "#runtime/access/settings.ts";
import { createLogger } from "#runtime/log.ts";
import { openSealedKey } from "../../services/identity/store/sealed-key.ts";
import { startMesh, type Mesh } from "../../services/mesh.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { eventually } from "../support/until.ts";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ada, operator, operatorToken, postJson, type TokenAnswer } from "./world.ts";

const env = { ORDERMESH_SECRET: "a-secret-that-is-for-tests-and-nothing-else", ORDERMESH_OPERATOR_SECRET: operator.clientSecret };
const lines: string[] = [];
let database: TestDatabase;
let nats: TestNats;
let mesh: Mesh;
let sql: pg.Client;
let edgeUrl: string;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  mesh = await startMesh({
    env: {
      ...env,
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      ORDERMESH_EDGE_PORT: "0",
      ORDERMESH_RPC_PORT: "0",
      ORDERMESH_SEED: "none",
      ORDERMESH_CALL_TARGET_MS: "30000",
    },
    only: ["identity", "edge"],
    log: createLogger({ level: "debug", destination: { write: (line) => void lines.push(line) } }),
    onProgress: () => {},
  });
  edgeUrl = `http://127.0.0.1:${mesh.edgePort}`;
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});

afterAll(async () => {
  await sql?.end();
  await mesh?.close();
  await nats?.stop();
  await database?.drop();
});

const form = (path: string, parameters: Record<string, string>): Promise<Response> =>
  fetch(`${edgeUrl}${path}`, { method: "POST", body: new URLSearchParams(parameters) });

/** Uses everything once, rightly and wrongly. Answers every secret that there was. */
async function useEverything(): Promise<Record<string, string>> {
  const token = await operatorToken(edgeUrl);
  const headers = { authorization: `Bearer ${token}` };
  const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${mesh.rpcPort}`, httpVersion: "2" });
  const admin = createClient(AdminService, transport);
  await admin.createClient({ clientId: "shop", public: true, roles: ["customer"], scopes: ["orders:read"] }, { headers });
  const books = await admin.createClient({ clientId: "books", roles: ["operator"] }, { headers });
  const rotated = await admin.rotateClientSecret({ clientId: "books" }, { headers });
  await postJson(`${edgeUrl}/v1/accounts`, { ...ada, customer_id: "ada" }, headers);
  const wrongPassword = "a password that is wrong";
  await postJson(`${edgeUrl}/auth/token`, { ...ada, password: wrongPassword }).catch(() => undefined);
  const first = await postJson<TokenAnswer>(`${edgeUrl}/auth/token`, ada);
  const refreshing = { grant_type: "refresh_token", client_id: "shop", refresh_token: first.refresh_token };
  const second = (await (await form("/oauth/token", refreshing)).json()) as TokenAnswer;
  await form("/oauth/token", refreshing);
  await form("/oauth/revoke", { client_id: "shop", token: second.access_token });
  const wrongSecret = "a client secret that is wrong";
  await form("/oauth/token", { grant_type: "client_credentials", client_id: "books", client_secret: wrongSecret });
  await form("/oauth/introspect", { client_id: "books", client_secret: rotated.clientSecret, token: first.access_token });
  return {
    installation: env.ORDERMESH_SECRET,
    operator: operator.clientSecret,
    operatorToken: token,
    firstClientSecret: books.clientSecret,
    secondClientSecret: rotated.clientSecret,
    wrongSecret,
    password: ada.password,
    wrongPassword,
    firstRefreshToken: first.refresh_token,
    secondRefreshToken: second.refresh_token,
    firstAccessToken: first.access_token,
    secondAccessToken: second.access_token,
  };
}

/** Every row of every table, as text; bytes are hexadecimal in it. */
async function dump(): Promise<string> {
  const { rows } = await sql.query<{ schema: string; name: string }>(
    `select table_schema as schema, table_name as name from information_schema.tables
     where table_schema not in ('pg_catalog', 'information_schema')`,
  );
  const texts: string[] = [];
  for (const { schema, name } of rows) {
    const table = await sql.query<{ row: string }>(`select to_jsonb(t)::text as row from "${schema}"."${name}" t`);
    texts.push(...table.rows.map(({ row }) => row));
  }
  return texts.join("\n");
}

async function eventsText(): Promise<string> {
  const connection = await connect({ servers: nats.url });
  try {
    const consumer = await jetstream(connection).consumers.get("EVENTS");
    const texts: string[] = [];
    for await (const message of await consumer.fetch({ max_messages: 100, expires: 1_000 })) {
      texts.push(message.subject, Buffer.from(message.data).toString("latin1"), JSON.stringify(message.headers));
    }
    return texts.join("\n");
  } finally {
    await connection.close();
  }
}

/** The private halves, which only who has the secret of the installation can read. */
async function privateKeys(): Promise<Record<string, string>> {
  const { rows } = await sql.query<{ id: string; sealed: Buffer }>(
    "select key_id as id, private_sealed as sealed from identity.signing_key",
  );
  const keys = rows.map(({ id, sealed }) => [
    id,
    openSealedKey(keyFor("signing keys", env), id, sealed)?.export({ format: "jwk" }).d,
  ]);
  return Object.fromEntries(keys) as Record<string, string>;
}

/** As it is, and as the bytes that it is or stands for. */
const formsOf = (secret: string): string[] => [
  secret,
  Buffer.from(secret).toString("hex"),
  Buffer.from(secret.replace(/^om[rs]_/, ""), "base64url").toString("hex"),
  Buffer.from(secret).toString("base64").replace(/=+$/, ""),
];

test("neither the tables nor the events nor the log have a secret, a password, a token or a private key", async () => {
  const secrets = await useEverything();
  await eventually(async () => expect(await eventsText()).toContain("TokenRevoked"));
  const places = { tables: await dump(), events: await eventsText(), log: lines.join("\n") };
  expect(places.tables).toContain("ada@example.test");
  expect(places.log).toContain("IdentityService/SignIn");
  const hidden = { ...secrets, ...(await privateKeys()) };
  expect(Object.keys(hidden).length).toBeGreaterThan(12);
  for (const [place, text] of Object.entries(places)) {
    const found = Object.entries(hidden).filter(([, secret]) => formsOf(secret).some((form) => text.includes(form)));
    expect(
      found.map(([name]) => name),
      place,
    ).toEqual([]);
  }
  // A login that somebody tried is as good as a password in the wrong field: nor is it in the log.
  expect(places.log).not.toContain("ada@example.test");
});
