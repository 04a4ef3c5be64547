// One suite for both stores: a folder, and a server that speaks S3.
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { FileStore } from "./provider/contract.ts";
import { openMedia } from "./provider/settings.ts";

let folder: string;
let server: S3rver;
let s3Env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-stores-"));
  const options = {
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: join(folder, "s3"),
    configureBuckets: [{ name: "images", configs: [] }],
  };
  server = new S3rver(options);
  const { port } = await server.run();
  s3Env = {
    ORDERMESH_MEDIA_STORE: "s3",
    ORDERMESH_S3_BUCKET: "images",
    ORDERMESH_S3_ENDPOINT: `http://127.0.0.1:${port}`,
    ORDERMESH_S3_ACCESS_KEY: "S3RVER",
    ORDERMESH_S3_SECRET_KEY: "S3RVER",
  };
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(["folder", "s3"])("in a store of kind %s", (kind) => {
  let store: FileStore;
  let put: (name: string, content: string) => Promise<void>;
  beforeAll(() => {
    const media = openMedia({ ORDERMESH_MEDIA_DIR: join(folder, kind), ...(kind === "s3" ? s3Env : {}) });
    store = media.store;
    put = (name, content) =>
      media.spool.using(async (path) => {
        await writeFile(path, content);
        await store.put(name, path);
      });
  });

  const read = async (name: string, start = 0, end?: number): Promise<string | undefined> => {
    const file = await store.open(name);
    if (!file) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.chunks({ start, end: end ?? file.size })) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const names = async (prefix: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of store.list(prefix)) found.push(name);
    return found.toSorted();
  };

  test("a file is there under its name, whole and in parts", async () => {
    await put("demo/users/ada/a.jpg", "0123456789");
    expect((await store.open("demo/users/ada/a.jpg"))?.size).toBe(10);
    expect(await read("demo/users/ada/a.jpg")).toBe("0123456789");
    expect(await read("demo/users/ada/a.jpg", 2, 5)).toBe("234");
    expect(await read("demo/users/ada/a.jpg", 10, 10)).toBe("");
  });

  test("a file has a path while it is worked with, and no copy is left", async () => {
    await put("demo/users/ada/c.jpg", "0123456789");
    let content = "";
    await store.withPath("demo/users/ada/c.jpg", async (path) => void (content = await readFile(path, "utf8")));
    expect([content, await readdir(join(folder, kind, "spool"))]).toEqual(["0123456789", []]);
    const worked = store.withPath("demo/users/eve/none.jpg", () => Promise.resolve());
    await expect(worked).rejects.toThrow("demo/users/eve/none.jpg is not in the store");
  });

  test("again is harmless, and several at the same moment are one", async () => {
    await Promise.all(Array.from({ length: 5 }, () => put("demo/users/ada/b.jpg", "same")));
    expect(await read("demo/users/ada/b.jpg")).toBe("same");
    expect(await names("demo/users/ada/b")).toEqual(["demo/users/ada/b.jpg"]);
  });

  test("what is not there is not there, and goes without a word", async () => {
    expect(await store.open("demo/users/eve/none.jpg")).toBeUndefined();
    await put("demo/users/eve/c.jpg", "c");
    await store.remove(["demo/users/eve/none.jpg", "demo/users/eve/c.jpg"]);
    expect(await store.open("demo/users/eve/c.jpg")).toBeUndefined();
  });

  test("files are listed by how their names begin, with their times", async () => {
    await put("demo/users/bob/d.jpg", "d");
    await put("other/users/bob/d.jpg", "d");
    expect(await names("demo/users/bob/")).toEqual(["demo/users/bob/d.jpg"]);
    expect(await names("nobody/")).toEqual([]);
    for await (const { name, time } of store.list("")) {
      expect(name).toMatch(/^(?:demo|other)\/users\//);
      expect(Math.abs(Date.now() - time.getTime())).toBeLessThan(60_000);
    }
  });

  test("a file larger than the buffers of any stream comes back as it is", async () => {
    const content = "0123456789abcdef".repeat(100_000);
    await put("demo/users/ada/large.jpg", content);
    expect((await read("demo/users/ada/large.jpg")) === content).toBe(true);
    const file = await store.open("demo/users/ada/large.jpg");
    // Left early, as by a caller who goes away.
    for await (const chunk of file?.chunks({ start: 0, end: file.size }) ?? []) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });
});

test("what keeps a store from working is told", async () => {
  const { store, spool } = openMedia({ ...s3Env, ORDERMESH_MEDIA_DIR: folder, ORDERMESH_S3_BUCKET: "unknown" });
  const putting = spool.using(async (path) => {
    await writeFile(path, "x");
    await store.put("a", path);
  });
  await expect(putting).rejects.toThrow(/bucket/i);
  expect(() => openMedia({ ORDERMESH_MEDIA_STORE: "s3" })).toThrow(StartupError);
  expect(() => openMedia({ ...s3Env, ORDERMESH_S3_SECRET_KEY: "" })).toThrow(StartupError);
});
