// A credentials file, as nsc writes it, on a nats-server that knows nobody by itself: it trusts an operator, who has signed the
// account, which has signed the user.
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startChild, type Child } from "#runtime/backing/child.ts";
import { findNatsServer } from "#runtime/backing/nats-binary.ts";
import { readNatsAccess } from "#runtime/backing/nats-access.ts";
import { verifyNats } from "#runtime/backing/verify.ts";
import { freePorts } from "../support/ports.ts";
import { until } from "../support/until.ts";

type KeyPair = ReturnType<typeof nkeys.createUser>;

let folder: string;
let server: Child;
let url: string;

/** A JWT of NATS, version 2: of an operator, an account or a user, signed by an nkey. */
function signed(subject: KeyPair, issuer: KeyPair, name: string, nats: Record<string, unknown>): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  const iat = Math.floor(Date.now() / 1_000);
  const claims = { jti: randomUUID(), iat, iss: issuer.getPublicKey(), sub: subject.getPublicKey(), name };
  const content = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode({ ...claims, nats: { ...nats, version: 2 } })}`;
  return `${content}.${Buffer.from(issuer.sign(new TextEncoder().encode(content))).toString("base64url")}`;
}

/** The two parts of the file with the frames that its readers look for. */
const credentials = (jwt: string, user: KeyPair): string => {
  const part = (label: string, text: string): string => `-----BEGIN ${label}-----\n${text}\n------END ${label}------\n`;
  return `${part("NATS USER JWT", jwt)}\n${part("USER NKEY SEED", new TextDecoder().decode(user.getSeed()))}`;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-nats-credentials-"));
  await mkdir(join(folder, "store"));
  const operator = nkeys.createOperator();
  const [system, account, strangers] = [nkeys.createAccount(), nkeys.createAccount(), nkeys.createAccount()];
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const limits = { ...unlimited, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountOf = (pair: KeyPair, name: string, given: object): string =>
    signed(pair, operator, name, { type: "account", limits: given });
  const [port] = await freePorts(1);
  url = `nats://127.0.0.1:${port}`;
  const config = {
    listen: `127.0.0.1:${port}`,
    jetstream: { store_dir: join(folder, "store") },
    operator: signed(operator, operator, "installation", { type: "operator" }),
    system_account: system.getPublicKey(),
    resolver: "MEMORY",
    resolver_preload: {
      [system.getPublicKey()]: accountOf(system, "SYS", unlimited),
      [account.getPublicKey()]: accountOf(account, "ordermesh", limits),
    },
  };
  await writeFile(join(folder, "server.conf"), JSON.stringify(config));
  const userOf = async (file: string, issuer: KeyPair, seedOf?: KeyPair): Promise<void> => {
    const user = nkeys.createUser();
    const permissions = { pub: { allow: ["$JS.API.INFO"] }, sub: { allow: ["_INBOX.orders.>"] } };
    const jwt = signed(user, issuer, "orders", { type: "user", subs: -1, data: -1, payload: -1, ...permissions });
    await writeFile(join(folder, file), credentials(jwt, seedOf ?? user), { mode: 0o600 });
  };
  await userOf("orders.creds", account);
  await userOf("strangers.creds", strangers);
  await userOf("stolen.creds", account, nkeys.createUser());
  await writeFile(join(folder, "empty.creds"), "nothing is in here\n");
  server = startChild({
    command: (await findNatsServer({})).path,
    args: ["--config", join(folder, "server.conf")],
    env: { PATH: process.env["PATH"] ?? "" },
    workingFolder: folder,
    stopSignal: "SIGTERM",
  });
  await until(() => server.hasExited() || server.logTail().includes("Server is ready"), { timeoutMs: 20_000 });
  if (server.hasExited()) throw new Error(server.logTail());
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const connecting = (env: Record<string, string>): Promise<string> =>
  verifyNats(url, { access: readNatsAccess({ ORDERMESH_NATS_INBOX_PREFIX: "_INBOX.orders", ...env }), timeoutMs: 3_000 });
const withFile = (name: string) => connecting({ ORDERMESH_NATS_CREDENTIALS_FILE: join(folder, name) });

test("a user whose account the operator has signed is let in", async () => {
  expect(await withFile("orders.creds")).toMatch(/^2\./);
});

test.each([
  ["a user of an account that nobody knows", () => withFile("strangers.creds"), /Authorization Violation/],
  ["a JWT without the seed that goes with it", () => withFile("stolen.creds"), /Authorization Violation/],
  ["a file without credentials", () => withFile("empty.creds"), /unable to parse credentials/],
  ["a file that is not there", () => withFile("none.creds"), /ENOENT/],
  ["nobody", () => connecting({}), /Authorization Violation/],
  [
    "answers that come elsewhere than the user may listen",
    () => connecting({ ORDERMESH_NATS_CREDENTIALS_FILE: join(folder, "orders.creds"), ORDERMESH_NATS_INBOX_PREFIX: "_INBOX.x" }),
    /Permissions Violation/,
  ],
])("%s is refused", async (_what, connect, reason) => {
  await expect(connect()).rejects.toThrow(reason);
});
