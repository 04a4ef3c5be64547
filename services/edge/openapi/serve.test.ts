import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { startTestEdge, type TestEdge } from "../transcode/fixture/edge.ts";
import { createOpenapiEndpoint } from "./serve.ts";

let folder: string;
let edge: TestEdge;
const text = JSON.stringify({ openapi: "3.1.1", info: { title: "x".repeat(3_000) } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-openapi-"));
  const file = join(folder, "openapi.json");
  await writeFile(file, text);
  edge = await startTestEdge([OrdersService], undefined, { openapi: pathToFileURL(file) });
});
afterAll(async () => {
  await edge.close(1_000);
  await rm(folder, { recursive: true });
});

test("is served to anybody, compressed where that is taken, and once to who has it", async () => {
  const response = await fetch(`${edge.url}/openapi.json`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("content-encoding")).toBe("gzip");
  expect(await response.text()).toBe(text);
  const etag = response.headers.get("etag") ?? "";
  expect(etag).toMatch(/^W\/"/);
  const again = await fetch(`${edge.url}/openapi.json`, { headers: { "if-none-match": etag } });
  expect(again.status).toBe(304);
  expect(await again.text()).toBe("");
  expect((await fetch(`${edge.url}/openapi.json?v=2`)).status).toBe(200);
});

test("the page runs its own scripts and talks to its own host alone", async () => {
  const page = await fetch(`${edge.url}/docs`);
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
  const html = await page.text();
  const parts = [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, address = ""]) => new URL(address, `${edge.url}/docs`));
  const answers = await Promise.all(parts.map((part) => fetch(part)));
  expect(answers.map(({ status }) => status)).toEqual(parts.map(() => 200));
  expect(parts.length).toBeGreaterThan(3);
});

test.each(["POST", "DELETE"])("by %s it is no path", async (method) => {
  expect((await fetch(`${edge.url}/openapi.json`, { method })).status).toBe(404);
});

test("an edge without its file does not start, and says what to do", () => {
  expect(() => createOpenapiEndpoint(pathToFileURL(join(folder, "none.json")))).toThrow('"npm run generate"');
});
