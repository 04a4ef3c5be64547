import { createServer, type RequestListener } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dockerAnswers } from "./containers.ts";

let folder: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-test-"));
  env = { DOCKER_HOST: `unix://${folder}/engine.sock` };
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function withEngine(answer: RequestListener, check: () => Promise<void>): Promise<void> {
  const engine = createServer(answer);
  await new Promise<void>((resolve) => engine.listen(join(folder, "engine.sock"), resolve));
  await check();
  engine.closeAllConnections();
  engine.close();
}

test("an engine that answers its ping counts", () =>
  withEngine(
    (request, response) => response.writeHead(request.url === "/_ping" ? 200 : 404).end("OK"),
    async () => {
      expect(await dockerAnswers(env)).toBe(true);
    },
  ));

test("an engine that is unwell does not count", () =>
  withEngine(
    (_request, response) => response.writeHead(500).end(),
    async () => {
      expect(await dockerAnswers(env)).toBe(false);
    },
  ));

test("an engine that hangs is given up after a second", () =>
  withEngine(
    () => {},
    async () => {
      expect(await dockerAnswers(env)).toBe(false);
    },
  ));

test("a client without an engine does not count", async () => {
  expect(await dockerAnswers(env)).toBe(false);
  expect(await dockerAnswers({ DOCKER_HOST: "ssh://somewhere" })).toBe(false);
});
