// What README.md and docs/ say is so: the commands do what is said beside them, links lead somewhere, and tables are those
// of the code. The commands without a label (npm ci, npm start, npm test) are run from a fresh clone by .ci/run and, as far
// as starting and stopping go, by e2e/start.test.ts.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, glob, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stateChanges } from "../services/orders/domain/order.ts";
import { root } from "../tools/command.ts";
import { throwAwayIdentity } from "../tools/operator.ts";
import { startMeshProcess, type MeshProcess } from "./support/process.ts";

const readText = (path: string): Promise<string> => readFile(join(root, path), "utf8");
const readme = await readText("README.md");

const blocksOf = (label: string): string[] =>
  [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, found, text = ""]) => (found === label ? [text] : []));

describe("the commands of README.md", () => {
  const commands = blocksOf("sh");
  const fileName = /[Ss]ave it as `([\w-]+\.ts)`/.exec(readme)?.[1] ?? "";
  const file = join(root, fileName);
  let folder: string;
  let mesh: MeshProcess;
  let hasWritten = false;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ordermesh-readme-"));
    // Started as root, PostgreSQL runs as nobody, who must get into the folder.
    await chmod(folder, 0o755);
    const carrier = { ORDERMESH_CARRIER_DISPATCH_MS: "50", ORDERMESH_CARRIER_DELIVER_MS: "50" };
    // Nothing is set that a newcomer does not set.
    const unset = Object.fromEntries(Object.keys(throwAwayIdentity).map((name) => [name, ""]));
    mesh = await startMeshProcess({ env: { ...unset, ORDERMESH_DATA_DIR: folder, ...carrier } });
    const [program = ""] = blocksOf("ts");
    // "wx" refuses a file that is there: it may be somebody's work.
    await writeFile(file, onRealPorts(program), { flag: "wx" });
    hasWritten = true;
  });

  afterAll(async () => {
    if (hasWritten) await rm(file);
    await mesh?.end("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  });

  const onRealPorts = (text: string): string =>
    text.replaceAll("http://127.0.0.1:8080", mesh.edgeUrl).replaceAll("http://127.0.0.1:9090", mesh.rpcUrl);

  /** What the reader's terminal has kept: each command here runs in one of its own. */
  const variables = commands.filter((command) => /^\w+=\$\(/.test(command));

  /** As in a terminal of the reader: without the programs that only npm's scripts find. */
  function run(command: string): Promise<{ code: number | null; output: string }> {
    const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => !/node_modules|node-gyp-bin/.test(entry));
    const env = { ...process.env, PATH: path.join(delimiter), ORDERMESH_EDGE_PORT: new URL(mesh.edgeUrl).port };
    const child = spawn("bash", ["-euo", "pipefail", "-c", onRealPorts([...variables, command].join("\n"))], {
      cwd: root,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const add = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
  }

  const expectations: { part: string; says: (output: string) => void }[] = [
    { part: "/auth/token", says: (output) => expect(output).toBe("") },
    { part: "/oauth/token", says: (output) => expect(output).toBe("") },
    { part: "/v1/stock/MUG-BLUE", says: (output) => expect(JSON.parse(output)).toMatchObject({ sku: "MUG-BLUE" }) },
    {
      part: "-X POST http://127.0.0.1:8080/v1/orders ",
      says: (output) => {
        expect(output).toMatch(/^HTTP\/1\.1 202 /m);
        expect(output).toContain('"state":"ORDER_STATE_PENDING"');
        expect(output).toMatch(/"orderId":"ord_\w+"/);
      },
    },
    {
      part: "OrdersService/PlaceOrder",
      says: (output) => expect(output).toMatch(/"orderId": "ord_\w+"[\s\S]*"state": "ORDER_STATE_PENDING"/),
    },
    {
      part: `npx node ${fileName}`,
      says: (output) => {
        expect(output).toMatch(/^placed ord_\w+$/m);
        const states = [...output.matchAll(/^ORDER_STATE_(\w+)/gm)].map(([, state]) => state);
        expect(states).toEqual(["PENDING", "PENDING_SHIPMENT", "SHIPPED", "DELIVERED"]);
      },
    },
    {
      part: "--list-methods",
      says: (output) => {
        const [orders = "", availability = "", ...methods] = output.split("\n");
        expect((JSON.parse(orders) as { orders: object[] }).orders).toHaveLength(3);
        expect(JSON.parse(availability)).toMatchObject({ available: false, shortages: [{ sku: "LAST-ONE-1", available: "1" }] });
        expect(methods).toContain("ordermesh.orders.v1.OrdersService/PlaceOrder");
      },
    },
    {
      part: "/v1/dead-letters:stats",
      says: (output) => {
        const [stats = "", list = "", redrive = "", audit = ""] = output.split("\n");
        expect(JSON.parse(stats)).toMatchObject({ total: "0" });
        expect(JSON.parse(list)).toMatchObject({ deadLetters: [] });
        expect(JSON.parse(redrive)).toMatchObject({ state: "REDRIVE_STATE_DRY_RUN", letters: "0" });
        expect((JSON.parse(audit) as { violationsOpen: string }).violationsOpen).toBe("0");
      },
    },
    {
      part: "npm run demo",
      says: (output) => {
        expect(output).toMatch(/^ +delivered +\d+$/m);
        expect(output).toMatch(/^ +sum +40 +of 40 asked for$/m);
      },
    },
  ];

  test("the program is written where README.md says", () => expect(fileName).not.toBe(""));

  test("each has an expectation here, and each expectation a command", () => {
    const matches = (command: string): number => expectations.filter(({ part }) => command.includes(part)).length;
    expect(commands.filter((command) => matches(command) !== 1)).toEqual([]);
    expect(expectations.filter(({ part }) => !commands.some((command) => command.includes(part)))).toEqual([]);
    expect(blocksOf("ts")).toHaveLength(1);
  });

  test.each(commands)("%s", async (command) => {
    const { code, output } = await run(command);
    expect(code, output).toBe(0);
    for (const { part, says } of expectations) if (command.includes(part)) says(output);
  });
});

const pages = ["README.md", ...(await Array.fromAsync(glob(["docs/*.md", "services/*/README.md"], { cwd: root })))].toSorted();

test.each(pages)("links and paths of %s lead to files", async (page) => {
  const text = await readText(page);
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = ""]) => link);
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  const paths = [...text.matchAll(/`((?:services|proto|gen|docs|deploy|test|tools)\/[\w./-]*)`/g)].map(([, path = ""]) => path);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

describe("the settings of README.md", async () => {
  const section = /^## Settings\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(readme)?.[1] ?? "";
  const rows = [...section.matchAll(/^\| (`.+?) +\| (.+?) +\|/gm)].map(([, names = "", fallback = ""]) => ({ names, fallback }));
  const told = new Map(
    rows.flatMap(({ names, fallback }) => [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => [name, fallback])),
  );
  const paths = await Array.fromAsync(glob("services/**/*.ts", { cwd: root, exclude: ["**/*.test.ts", "**/*.fixture.ts"] }));
  const code = (await Promise.all(paths.map(readText))).join("\n");
  const addressPattern = /^ORDERMESH_(CATALOG|INVENTORY|ORDERS|PAYMENTS|FRAUD|SHIPPING|OPERATIONS|IDENTITY)_(URL|CLIENT_SECRET)$/;

  test("name every variable that the code mentions, but those for tests, which docs/reliability.md has", async () => {
    const faults = await readText("docs/reliability.md");
    for (const [name] of code.matchAll(/\bORDERMESH_TEST_[A-Z_]*[A-Z]\b/g)) expect(faults).toContain(`\`${name}\``);
    const mentioned = new Set([...code.matchAll(/\b(ORDERMESH_[A-Z_]*[A-Z]|DATABASE_URL|NATS_URL)\b/g)].map(([name]) => name));
    expect(mentioned.size).toBeGreaterThan(15);
    expect(
      [...mentioned].filter((name) => !told.has(name) && !addressPattern.test(name) && !name.startsWith("ORDERMESH_TEST_")),
    ).toEqual([]);
  });

  test("name none that the code does not read", () => {
    const isRead = (name: string): boolean => code.includes(`"${name}"`);
    expect([...told.keys()].filter((name) => !isRead(name))).toEqual([
      "ORDERMESH_<SERVICE>_URL",
      "ORDERMESH_<SERVICE>_CLIENT_SECRET",
    ]);
    expect(code).toContain("`ORDERMESH_${serviceName.toUpperCase()}_URL`");
    expect(code).toContain("`ORDERMESH_${serviceName.toUpperCase()}_CLIENT_SECRET`");
  });

  test("have the defaults of the code", () => {
    const written = /"(ORDERMESH_[A-Z_]+)", (?:\{ fallback: (?:"(\w+)"|([\d_]+))|"([^"]*)"\))/g;
    const defaults = [...code.matchAll(written)].map(([, name = "", choice, number, text]) => ({
      name,
      fallback: choice ?? number?.replaceAll("_", "") ?? text ?? "",
    }));
    expect(defaults.length).toBeGreaterThan(12);
    expect(defaults.map(({ name }) => ({ name, fallback: told.get(name)?.replaceAll("`", "") }))).toEqual(defaults);
  });
});

describe("docs/orders.md", async () => {
  const text = await readText("docs/orders.md");
  const tableOf = (heading: string): string[][] => {
    const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
    const lines = section.split("\n").filter((line) => line.startsWith("|"));
    return lines.slice(2).map((line) => line.split("|").slice(1, -1));
  };
  const namesOf = (cell = ""): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);

  test("shows the state changes that the code allows", () => {
    const shown = tableOf("States").flatMap(([from, to]) =>
      namesOf(from).flatMap((state) => (namesOf(to).length > 0 ? namesOf(to) : ["nothing"]).map((next) => `${state} → ${next}`)),
    );
    const allowed = Object.entries(stateChanges).flatMap(([state, next]) =>
      (next.length > 0 ? next.map((name) => name.toUpperCase()) : ["nothing"]).map((name) => `${state.toUpperCase()} → ${name}`),
    );
    expect(shown.toSorted()).toEqual(allowed.toSorted());
  });

  test("explains each reason of a cancellation, and no other", async () => {
    const source = await readText("services/orders/domain/order.ts");
    const [members = ""] = /type CancelReason =[^;]+;/.exec(source) ?? [];
    const reasons = [...members.matchAll(/"(\w+)"/g)].map(([, reason = ""]) => reason);
    expect(reasons.length).toBeGreaterThan(3);
    expect(tableOf("Reasons of a cancellation").flatMap(([reason]) => namesOf(reason))).toEqual(reasons);
  });
});
