// The command that makes certificates, and the commands of docs/security.md that use them.
import { X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { definitions } from "../../services/mesh.ts";
import { root, runCommand, type CommandResult } from "../../tools/command.ts";
import { startMeshProcess } from "../support/process.ts";

const page = await readFile(join(root, "docs/security.md"), "utf8");
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text.trim());
let folder: string;
let certs: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-command-"));
  await chmod(folder, 0o755);
  certs = join(folder, "certs");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const command = (part: string): string => {
  const found = commands.filter((text) => text.includes(part));
  expect(found).toHaveLength(1);
  return (found[0] ?? "").replaceAll(/\bcerts\b/g, certs);
};
const run = (text: string): Promise<CommandResult> => runCommand("bash", ["-euo", "pipefail", "-c", text]);
const serialOf = async (name: string): Promise<string> =>
  new X509Certificate(await readFile(join(certs, `${name}.pem`))).serialNumber;

test("npm run certificates writes them, keys for their owner alone, and says how to use them", async () => {
  const { code, output } = await run(command("npm run certificates"));
  expect(output).toContain(`node --env-file=${certs}/<name>.env services/mesh.ts --only <name>`);
  expect(code).toBe(0);
  const files = await readdir(certs);
  for (const { name } of definitions)
    expect(files).toEqual(expect.arrayContaining([`${name}.pem`, `${name}.key`, `${name}.env`]));
  for (const file of files) {
    const { mode } = await stat(join(certs, file));
    expect([file, (mode & 0o777).toString(8)]).toEqual([file, file.endsWith(".key") ? "600" : "644"]);
  }
});

test("a second run overwrites nothing; --renew keeps the authority", async () => {
  const [authority, before] = [await serialOf("ca"), await serialOf("orders")];
  const again = await run(command("npm run certificates"));
  expect(again.code).toBe(1);
  expect(again.output).toContain("ca.pem is there already: name another folder, or add --renew");
  expect(await serialOf("orders")).toBe(before);

  const renewed = await run(`${command("npm run certificates")} --renew --days 3 --together orders,payments`);
  expect(renewed.output).toContain("orders-payments");
  expect(await serialOf("ca")).toBe(authority);
  expect(await serialOf("orders")).not.toBe(before);
  const both = new X509Certificate(await readFile(join(certs, "orders-payments.pem")));
  expect(both.subjectAltName).toMatch(/^DNS:orders-payments\.ordermesh, DNS:orders\.ordermesh, DNS:payments\.ordermesh/);
  const daysLeft = (Date.parse(both.validTo) - Date.now()) / 86_400_000;
  expect(daysLeft).toBeGreaterThan(2.9);
  expect(daysLeft).toBeLessThanOrEqual(3);
});

test.each([
  { args: "", want: "Say where to write" },
  { args: "--out other --days never", want: '--days is "never"; give a whole number from 1 to 3650' },
  { args: "--out other --together orders,nobody", want: "--together names nobody; choose from catalog," },
  { args: "--out other --renew", want: "--renew needs the authority that an earlier run has made there" },
])("npm run certificates -- $args is refused", async ({ args, want }) => {
  const { code, output } = await run(`npm run certificates -- ${args.replace("other", join(folder, "other"))}`);
  expect(output).toContain(want);
  expect(code).toBe(1);
});

test("the commands for REST do what the page says", async () => {
  const env = Object.fromEntries(
    [...command("npm start").matchAll(/(ORDERMESH_\w+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]),
  );
  const mesh = await startMeshProcess({ env: { ...env, ORDERMESH_DATA_DIR: join(folder, "data") } });
  const { code, output } = await run(command("curl").replace("https://127.0.0.1:8080", mesh.edgeUrl));
  await mesh.end("SIGTERM");
  expect(code).toBe(0);
  expect(output).toContain('"products":[{');
});
