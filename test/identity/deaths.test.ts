// The process dies between what it decided and what it had to tell of it, and between two guesses.
import { once } from "node:events";
import { fromBinary } from "@bufbuild/protobuf";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TokenRevokedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { demoOperatorSecret, demoSignIn } from "../../services/identity/seed.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { freePorts } from "../support/ports.ts";
import { startMeshProcess, type MeshProcess } from "../support/process.ts";
import { eventually } from "../support/until.ts";
import { postJson, type TokenAnswer } from "./world.ts";

let database: TestDatabase;
let nats: TestNats;
let mesh: MeshProcess | undefined;
let port: number;
let issuer: string;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  [port = 0] = await freePorts(1);
  issuer = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await mesh?.end("SIGKILL");
  await nats?.stop();
  await database?.drop();
});

function start(crashAt: string): Promise<MeshProcess> {
  return startMeshProcess({
    args: ["--only", "identity,edge"],
    env: {
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      ORDERMESH_EDGE_PORT: String(port),
      ORDERMESH_ISSUER: issuer,
      ORDERMESH_OPERATOR_SECRET: demoOperatorSecret,
      ORDERMESH_SEED: "demo",
      ORDERMESH_TEST_FAULTS: "on",
      ORDERMESH_TEST_LEASE_MS: "1000",
      ORDERMESH_TEST_CRASH_AT: crashAt,
    },
  });
}

async function form(
  path: string,
  parameters: Record<string, string>,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${issuer}${path}`, { method: "POST", body: new URLSearchParams(parameters) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const refresh = (token: string) => form("/oauth/token", { grant_type: "refresh_token", client_id: "shop", refresh_token: token });
const signIn = () => postJson<TokenAnswer>(`${issuer}/auth/token`, demoSignIn);
const guess = async (): Promise<string> => {
  const wrong = { ...demoSignIn, password: "wrong password" };
  return postJson(`${issuer}/auth/token`, wrong).then(
    () => "no refusal",
    (error: Error) => /"reason":"(\w+)"/.exec(error.message)?.[1] ?? error.message,
  );
};

/** Whether all entries of the audit log are sealed, and the seals published: what is published next is what comes next. */
async function isAllTold(): Promise<boolean> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ told: boolean }>(`
      select (select count(*) from identity.audit_entry) = (select sum(cardinality(entry_ids)) from identity.audit_seal)
        and not exists (select from identity.outbox, identity.relay_cursor as at where (outbox.xid, outbox.id) > (at.xid, at.id))
        as told`);
    return rows[0]?.told === true;
  } finally {
    await client.end();
  }
}

async function revokedIds(): Promise<string[]> {
  const connection = await connect({ servers: nats.url });
  try {
    const consumer = await jetstream(connection).consumers.get("EVENTS");
    const messages = await consumer.fetch({ max_messages: 100, expires: 1_000 });
    const ids: string[] = [];
    for await (const { data, subject } of messages) {
      if (subject.includes(".TokenRevoked.")) ids.push(fromBinary(TokenRevokedSchema, data).revokedId);
    }
    return ids;
  } finally {
    await connection.close();
  }
}

test("a session that was ended stays ended, everybody hears of it, and guesses stay counted", async () => {
  mesh = await start("");
  const kept = await signIn();
  for (let count = 0; count < 6; count += 1) expect(await guess()).toBe("INVALID_GRANT");
  const first = await signIn();
  for (let count = 0; count < 6; count += 1) expect(await guess()).toBe("INVALID_GRANT");
  const second = (await refresh(first.refresh_token)).body as unknown as TokenAnswer;
  const { sid } = decodeJwt(second.access_token);
  await eventually(async () => expect(await isAllTold()).toBe(true));
  await mesh.end("SIGTERM");
  mesh = await start("identity.relay:before_publish");
  const died = once(mesh.child, "exit");
  // The answer may get lost with the process; what was decided may not.
  await refresh(first.refresh_token).catch(() => undefined);
  await died;
  expect(mesh.child.signalCode).toBe("SIGKILL");

  mesh = await start("");
  await eventually(async () => expect(await revokedIds()).toContain(sid));
  expect(await refresh(second.refresh_token)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  const operator = { client_id: "operator", client_secret: demoOperatorSecret };
  const seen = await form("/oauth/introspect", { ...operator, token: second.access_token });
  expect(seen.body).toEqual({ active: false });

  // Others are as they were: the keys are the same, and so are their sessions.
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  await jwtVerify(kept.access_token, keys, { issuer, audience: "ordermesh" });
  expect(await refresh(kept.refresh_token)).toMatchObject({ status: 200 });

  for (let count = 0; count < 4; count += 1) expect(await guess()).toBe("INVALID_GRANT");
  expect(await guess()).toBe("ACCOUNT_LOCKED");
}, 180_000);
