// What a start does about secrets: those that everybody knows are made only where they are asked for, and one that does not fit is
// told.
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { demoOperatorSecret, demoSignIn } from "../../services/identity/seed.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { failToStart, startMeshProcess, type MeshProcess } from "../support/process.ts";
import { postJson, type TokenAnswer } from "./world.ts";

const secret = "a-secret-that-is-for-tests-and-nothing-else";
let database: TestDatabase;
let nats: TestNats;
let mesh: MeshProcess | undefined;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
});
afterEach(async () => {
  await mesh?.end("SIGKILL");
  mesh = undefined;
});
afterAll(async () => {
  await nats?.stop();
  await database?.drop();
});

const optionsOf = (env: Record<string, string>) => ({
  args: ["--only", "identity,edge"],
  env: { DATABASE_URL: database.url, NATS_URL: nats.url, ORDERMESH_SECRET: secret, ORDERMESH_OPERATOR_SECRET: "", ...env },
});

async function operatorStatus(clientSecret: string): Promise<number> {
  const parameters = { grant_type: "client_credentials", client_id: "operator", client_secret: clientSecret };
  return (await fetch(`${mesh?.edgeUrl}/oauth/token`, { method: "POST", body: new URLSearchParams(parameters) })).status;
}

const signIn = () => postJson<TokenAnswer>(`${mesh?.edgeUrl}/auth/token`, demoSignIn);

test("on servers that are given nobody has a secret that everybody knows", async () => {
  mesh = await startMeshProcess(optionsOf({}));
  expect(mesh.output()).not.toContain(demoSignIn.login);
  expect(await operatorStatus(demoOperatorSecret)).toBe(400);
  await expect(signIn()).rejects.toThrow("INVALID_CLIENT");
});

test("where the demonstration is asked for it is there, also at the second start, and is said", async () => {
  for (let starts = 0; starts < 2; starts += 1) {
    mesh = await startMeshProcess(optionsOf({ ORDERMESH_SEED: "demo" }));
    expect(mesh.output()).toContain(`curl -s -d '${JSON.stringify(demoSignIn)}'`);
    expect(decodeJwt((await signIn()).access_token)).toMatchObject({ sub: "ada", tenant: "demo" });
    expect(await operatorStatus(demoOperatorSecret)).toBe(200);
    expect(await mesh.end("SIGTERM")).toBe(0);
  }
});

test("an operator's own secret is the only one", async () => {
  mesh = await startMeshProcess(optionsOf({ ORDERMESH_SEED: "demo", ORDERMESH_OPERATOR_SECRET: "an-operators-own-secret" }));
  expect(await operatorStatus("an-operators-own-secret")).toBe(200);
  expect(await operatorStatus(demoOperatorSecret)).toBe(400);
  expect(mesh.output()).not.toContain("an-operators-own-secret");
});

test.each([
  {
    why: "another secret than the one of the stored keys",
    env: { ORDERMESH_SECRET: "another-secret-that-is-for-tests-and-nothing-else" },
    says: "The secret does not open the signing keys in the database: set ORDERMESH_SECRET to",
  },
  { why: "a secret that is too short", env: { ORDERMESH_SECRET: "short" }, says: "ORDERMESH_SECRET has 5 characters" },
  { why: "an issuer with a path", env: { ORDERMESH_ISSUER: "https://api.example.com/x" }, says: "ORDERMESH_ISSUER is" },
])("$why: it does not start, and says what to do", async ({ env, says }) => {
  const { exitCode, output } = await failToStart(optionsOf(env));
  expect(exitCode).toBe(1);
  expect(output).toContain(says);
  expect(output).not.toContain("another-secret");
});
