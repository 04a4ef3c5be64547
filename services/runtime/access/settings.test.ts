// The secret is made once and is nobody else's to read; what is set wrongly is told with the name of the setting.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { clientSecretOf, keyFor, readIssuer, readSecret } from "./settings.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-secret-"));
  folders.push(folder);
  return join(folder, "data");
}

test("a secret that is not given is made once, for its owner alone", async () => {
  const folder = await dataFolder();
  const env = { ORDERMESH_DATA_DIR: folder };
  const secret = readSecret(env);
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(readSecret(env)).toBe(secret);
  expect((await stat(join(folder, "secret"))).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["secret"]);
});

test("of processes that start at once all have the same", async () => {
  const folder = await dataFolder();
  const program = `import { readSecret } from "#runtime/access/settings.ts"; console.log(readSecret(process.env));`;
  const run = promisify(execFile);
  const answers = await Promise.all(
    Array.from({ length: 6 }, () =>
      run(process.execPath, ["--input-type=module-typescript", "-e", program], {
        cwd: join(import.meta.dirname, "../../.."),
        env: { ...process.env, ORDERMESH_SECRET: "", ORDERMESH_DATA_DIR: folder },
      }),
    ),
  );
  const secrets = new Set(answers.map(({ stdout }) => stdout.trim()));
  expect([...secrets]).toEqual([(await readFile(join(folder, "secret"), "utf8")).trim()]);
  expect(await readdir(folder)).toEqual(["secret"]);
});

test("a secret that was cut is not replaced: it opens what is stored", async () => {
  const folder = await dataFolder();
  readSecret({ ORDERMESH_DATA_DIR: folder });
  await writeFile(join(folder, "secret"), "short");
  expect(() => readSecret({ ORDERMESH_DATA_DIR: folder })).toThrow(/is damaged: put back/);
});

test.skipIf(process.getuid?.() === 0)("a folder that cannot be written is told with what to set", async () => {
  const folder = await dataFolder();
  await chmod(join(folder, ".."), 0o500);
  expect(() => readSecret({ ORDERMESH_DATA_DIR: folder })).toThrow(/set ORDERMESH_SECRET/);
});

test("a folder that is a file is told with what to set", async () => {
  const folder = await dataFolder();
  await writeFile(folder, "");
  expect(() => readSecret({ ORDERMESH_DATA_DIR: folder })).toThrow(/set ORDERMESH_SECRET/);
});

test("a secret that can be guessed is refused, and not quoted", () => {
  expect(() => readSecret({ ORDERMESH_SECRET: "hunter2" })).toThrow(/^ORDERMESH_SECRET has 7 characters/);
  const env = { ORDERMESH_SECRET: "x".repeat(32), ORDERMESH_ORDERS_CLIENT_SECRET: "hunter2" };
  expect(() => clientSecretOf("orders", env)).toThrow(/^ORDERMESH_ORDERS_CLIENT_SECRET has 7 characters/);
});

test("each purpose and each service has a key of its own", () => {
  const env = { ORDERMESH_SECRET: "x".repeat(32) };
  const other = { ORDERMESH_SECRET: "y".repeat(32) };
  const secrets = [
    keyFor("a", env).toString("base64url"),
    keyFor("b", env).toString("base64url"),
    keyFor("a", other).toString("base64url"),
    clientSecretOf("orders", env),
    clientSecretOf("payments", env),
    clientSecretOf("orders", other),
  ];
  expect(new Set(secrets).size).toBe(6);
  expect(clientSecretOf("orders", env)).toBe(clientSecretOf("orders", { ...env }));
  const given = { ...env, ORDERMESH_ORDERS_CLIENT_SECRET: "z".repeat(40) };
  expect(clientSecretOf("orders", given)).toBe("z".repeat(40));
});

test("the issuer is the edge's origin", () => {
  expect(readIssuer({})).toBe("http://127.0.0.1:8080");
  expect(readIssuer({ ORDERMESH_EDGE_PORT: "9000" })).toBe("http://127.0.0.1:9000");
  expect(readIssuer({ ORDERMESH_ISSUER: "https://api.example.com" })).toBe("https://api.example.com");
  for (const wrong of ["api.example.com", "https://api.example.com/", "https://a.example/x?y", "ftp://a.example"]) {
    expect(() => readIssuer({ ORDERMESH_ISSUER: wrong }), wrong).toThrow(/^ORDERMESH_ISSUER is /);
  }
});
