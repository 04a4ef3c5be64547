// kill -9 while images are uploaded: in the middle of one's body, and between another's file and its row.
import { mkdtemp, readFile, rm, utimes } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filesIn, jpeg } from "../../services/media/media.fixture.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { until } from "../support/until.ts";
import { startDyingMesh } from "./dying-mesh.ts";

let database: TestDatabase;
let nats: TestNats;
let folder: string;
let books: pg.Client;
let mesh: MeshProcess | undefined;

beforeAll(async () => {
  [database, nats, folder] = await Promise.all([createTestDatabase(), testNats(), mkdtemp(join(tmpdir(), "ordermesh-uploads-"))]);
  books = new pg.Client({ connectionString: database.url });
  await books.connect();
});
afterAll(async () => {
  await mesh?.end("SIGKILL");
  await books.end();
  await nats.stop();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const start = (crashAt = ""): Promise<MeshProcess> =>
  startDyingMesh(
    { databaseUrl: database.url, natsUrl: nats.url },
    { crashAt, env: { ORDERMESH_MEDIA_DIR: folder }, only: "media,identity,edge" },
  );
const path = (userId: string): string => `/v1/users/${userId}/image`;
const send = (to: MeshProcess, userId: string, image: Buffer) =>
  to.fetch(path(userId), { method: "POST", body: Uint8Array.from(image), headers: { "content-type": "image/jpeg" } });
const spooled = async (): Promise<string[]> => (await filesIn(folder)).filter((name) => name.startsWith("spool/"));
const stored = async (): Promise<string[]> =>
  (await filesIn(folder)).filter((name) => name.startsWith("files/") && !name.includes("300x300"));

test("leaves no half file and no row, and both are taken when they are sent again", async () => {
  const [half, whole] = await Promise.all([jpeg(900, 700), jpeg(60, 40)]);
  mesh = await start("media.upload:after_provider");
  const dying = mesh;
  const headers = { authorization: `Bearer ${await dying.token()}`, "content-length": half.length };
  const sending = request(`${dying.edgeUrl}${path("ada")}`, { method: "POST", headers });
  sending.on("error", () => {});
  sending.write(half.subarray(0, half.length / 2));
  await until(async () => (await spooled()).length === 1);
  await send(dying, "bob", whole).catch(() => undefined);
  await until(() => dying.child.signalCode === "SIGKILL");

  const [name = "", ...others] = await stored();
  expect([name, others]).toEqual([expect.stringContaining("/users/bob/"), []]);
  expect((await sharp(await readFile(join(folder, name))).metadata()).width).toBe(60);
  expect((await books.query("select from media.user_image")).rowCount).toBe(0);
  const left = await spooled();
  expect(left.length).toBeGreaterThan(0);
  for (const spool of left) await utimes(join(folder, spool), 0, 0);

  mesh = await start();
  const alive = mesh;
  for (const [userId, image] of [
    ["ada", half],
    ["bob", whole],
  ] as const) {
    expect((await send(alive, userId, image)).status).toBe(201);
    const read = await alive.fetch(path(userId));
    await sharp(Buffer.from(await read.arrayBuffer())).stats();
  }
  expect(await stored()).toEqual([expect.stringContaining("/users/ada/"), name]);
  expect((await books.query("select from media.user_image")).rowCount).toBe(2);
  await until(async () => (await spooled()).length === 0);
}, 120_000);
