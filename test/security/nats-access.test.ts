// The other ways to say who we are to NATS: a password, an nkey; and a server that greets before the handshake.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startChild, type Child } from "#runtime/backing/child.ts";
import { findNatsServer } from "#runtime/backing/nats-binary.ts";
import { readNatsAccess } from "#runtime/backing/nats-access.ts";
import { verifyNats } from "#runtime/backing/verify.ts";
import { certificateFolder, type CertificateFolder } from "../support/certificates.ts";
import { freePorts } from "../support/ports.ts";
import { until } from "../support/until.ts";

let certificates: CertificateFolder;
let folder: string;
let server: Child;
let url: string;
let caFile: string;
const seeds = new Map<string, string>();

beforeAll(async () => {
  certificates = await certificateFolder();
  folder = await mkdtemp(join(tmpdir(), "ordermesh-nats-access-"));
  await mkdir(join(folder, "store"));
  const settings = await certificates.write("nats", await certificates.issue({ dnsNames: ["localhost"], uses: ["server"] }));
  caFile = settings.caFile ?? "";
  const [known, unknown] = [nkeys.createUser(), nkeys.createUser()];
  for (const [name, pair] of [
    ["known", known],
    ["unknown", unknown],
  ] as const) {
    seeds.set(name, join(folder, `${name}.nk`));
    await writeFile(join(folder, `${name}.nk`), `${new TextDecoder().decode(pair.getSeed())}\n`, { mode: 0o600 });
  }
  const [port] = await freePorts(1);
  url = `nats://127.0.0.1:${port}`;
  const permissions = { publish: ["$JS.API.INFO"], subscribe: ["_INBOX.orders.>"] };
  const config = {
    listen: `127.0.0.1:${port}`,
    jetstream: { store_dir: join(folder, "store") },
    tls: { cert_file: settings.identity?.certFile, key_file: settings.identity?.keyFile },
    authorization: {
      users: [
        { user: "orders", password: "right", permissions },
        { nkey: known.getPublicKey(), permissions },
      ],
    },
  };
  await writeFile(join(folder, "server.conf"), JSON.stringify(config));
  server = startChild({
    command: (await findNatsServer({})).path,
    args: ["--config", join(folder, "server.conf")],
    env: { PATH: process.env["PATH"] ?? "" },
    workingFolder: folder,
    stopSignal: "SIGTERM",
  });
  await until(() => server.hasExited() || server.logTail().includes("Server is ready"), { timeoutMs: 20_000 });
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
  await certificates.remove();
});

const connecting = (env: Record<string, string>, to = url): Promise<string> =>
  verifyNats(to, {
    access: readNatsAccess({ ORDERMESH_NATS_CA_FILE: caFile, ORDERMESH_NATS_HANDSHAKE: "server_first", ...env }),
    timeoutMs: 3_000,
  });
const password = { ORDERMESH_NATS_USER: "orders", ORDERMESH_NATS_PASSWORD: "right" };
const nkey = (name: string) => ({
  ORDERMESH_NATS_NKEY_FILE: seeds.get(name) ?? "",
  ORDERMESH_NATS_INBOX_PREFIX: "_INBOX.orders",
});

test("a user with a password is let in, and its answers come below its name", async () => {
  expect(await connecting(password)).toMatch(/^2\./);
  expect(await connecting({}, url.replace("nats://", "nats://orders:right@"))).toMatch(/^2\./);
});

test("an nkey is let in", async () => {
  expect(await connecting(nkey("known"))).toMatch(/^2\./);
});

test.each([
  ["a wrong password", () => connecting({ ...password, ORDERMESH_NATS_PASSWORD: "wrong" }), /[Aa]uthorization/],
  ["an nkey that is not known", () => connecting(nkey("unknown")), /[Aa]uthorization/],
  ["nobody", () => connecting({}), /[Aa]uthorization/],
  ["a file that is not there", () => connecting({ ORDERMESH_NATS_NKEY_FILE: "/no/seed.nk" }), /ENOENT|does not answer/],
  [
    "a server that greets first, where that is not said",
    () => connecting({ ...password, ORDERMESH_NATS_HANDSHAKE: "" }),
    /does not answer/,
  ],
])("%s is refused", async (_what, connect, reason) => {
  await expect(connect()).rejects.toThrow(reason);
});
