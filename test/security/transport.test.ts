// Everything under TLS, as docs/security.md switches it on: services in processes of their own that know each other by
// certificates, a NATS where each may do only what is its own, a PostgreSQL that answers nobody else.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import * as https from "node:https";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { parseEnv } from "node:util";
import { connect as connectNats } from "@nats-io/transport-node";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import { writeCertificates } from "../../tools/certificates.ts";
import { root } from "../../tools/command.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { createAuthority, readAuthority, type Issued } from "../../tools/certificates/authority.ts";
import { hourMs, issueTo } from "../support/certificates.ts";
import { freePorts } from "../support/ports.ts";
import { failToStart, startMeshProcess, type MeshProcess } from "../support/process.ts";
import {
  secureFolder,
  startSecureNats,
  startSecurePostgres,
  type SecureFolder,
  type SecureServer,
} from "../support/secure-servers.ts";
import { eventually } from "../support/until.ts";

/** Two of the services share a process, so that one has the rights of both. */
const processes = ["identity", "catalog", "inventory", "orders", "payments", "fraud-shipping", "operations"];
const ports = new Map<string, number>();
const running = new Map<string, MeshProcess>();
let folder: SecureFolder;
let nats: SecureServer;
let postgres: SecureServer;
let probePort: number;

const file = (name: string): string => readFileSync(join(folder.certificates, name), "utf8");
const settingsOf = (name: string): Record<string, string> => parseEnv(file(`${name}.env`)) as Record<string, string>;

function sharedSettings(): Record<string, string> {
  const addresses = processes.flatMap((name) =>
    name.split("-").map((service) => [`ORDERMESH_${service.toUpperCase()}_URL`, `https://127.0.0.1:${ports.get(name)}`]),
  );
  return {
    ...Object.fromEntries(addresses),
    DATABASE_URL: postgres.url,
    NATS_URL: nats.url,
    ORDERMESH_SEED: "none",
    ORDERMESH_DATABASE_CONNECTIONS: "5",
    ORDERMESH_CARRIER_DISPATCH_MS: "50",
    ORDERMESH_CARRIER_DELIVER_MS: "50",
    ORDERMESH_TLS_CHECK_SECONDS: "1",
  };
}

async function start(name: string): Promise<void> {
  const env = {
    ...sharedSettings(),
    ...settingsOf(name),
    ORDERMESH_RPC_PORT: String(ports.get(name) ?? 0),
    ...(name === "orders" ? { ORDERMESH_PROBE_PORT: String(probePort) } : {}),
  };
  running.set(name, await startMeshProcess({ args: ["--only", name.replaceAll("-", ",")], env }));
}

beforeAll(async () => {
  folder = await secureFolder({ together: [["fraud", "shipping"]] });
  const [free] = await Promise.all([
    freePorts(processes.length + 1),
    startSecureNats(folder).then((server) => (nats = server)),
    startSecurePostgres(folder).then((server) => (postgres = server)),
  ]);
  processes.forEach((name, index) => ports.set(name, free[index] ?? 0));
  probePort = free.at(-1) ?? 0;
  // All at once: those that may not make the streams wait for the one that may.
  const starts = await Promise.allSettled([...processes, "edge"].map(start));
  for (const each of starts) if (each.status === "rejected") throw each.reason;
}, 120_000);

afterAll(async () => {
  await Promise.all([...running.values()].map((process) => process.end("SIGKILL")));
  await nats?.stop();
  await postgres?.stop();
  await folder?.remove();
});

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** As a client of the shop, who knows the edge's authority and has no certificate. */
async function ask(path: string, body?: object): Promise<Answer> {
  operatorToken ??= askWith(undefined, "/v1/tokens:issue", {
    grantType: "client_credentials",
    clientId: "operator",
    clientSecret: throwAwayIdentity.ORDERMESH_OPERATOR_SECRET,
  }).then((answer) => String(answer.body["access_token"]));
  return askWith(await operatorToken, path, body);
}

let operatorToken: Promise<string> | undefined;

async function askWith(token: string | undefined, path: string, body?: object): Promise<Answer> {
  const url = `${running.get("edge")?.edgeUrl}${path}`;
  const request = https.request(url, {
    ca: file("ca.pem"),
    method: body ? "POST" : "GET",
    headers: { ...(body ? { "content-type": "application/json" } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) },
    agent: false,
  });
  request.end(body ? JSON.stringify(body) : undefined);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const text = (await response.toArray()).join("");
  return { status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> };
}

async function orderIsDelivered(sku: string): Promise<void> {
  const variant = { sku, prices: [{ currencyCode: "EUR", minorUnits: "1000" }] };
  expect(await ask("/v1/products", { title: sku, variants: [{ variant, initialStock: "10" }] })).toMatchObject({ status: 201 });
  await eventually(async () => expect((await ask(`/v1/stock/${sku}`)).status).toBe(200));
  const basket = { customerId: `buyer-${sku}`, currency: "EUR", paymentToken: "tok_success", items: [{ sku, quantity: "1" }] };
  const { status, body } = await ask("/v1/orders", basket);
  expect(status, JSON.stringify(body)).toBe(202);
  await eventually(async () =>
    expect((await ask(`/v1/orders/${String(body["orderId"])}`)).body).toMatchObject({ state: "ORDER_STATE_DELIVERED" }),
  );
}

const outputs = (): string => [...running.values()].map(({ output }) => output()).join("\n");

test("an order goes from the edge to the door", async () => {
  expect(running.get("edge")?.edgeUrl).toMatch(/^https:/);
  await orderIsDelivered("SECURE-1");
});

test("operations reads what it needs, and the books are right", async () => {
  const audit = await ask("/v1/audit:run", {});
  expect(audit).toMatchObject({ status: 200, body: { violationsOpen: "0" } });
});

test("what is no event is found in the stream by operations, and filed", async () => {
  const path = (name: string): string => join(folder.certificates, name);
  const tls = { caFile: path("ca.pem"), certFile: path("operator.pem"), keyFile: path("operator.key"), handshakeFirst: true };
  const operator = await connectNats(natsConnectionOptions(nats.url, { tls }));
  operator.publish("ordermesh.shipping.events.v1.ShipmentDelivered.demo.ord_odd", "no event");
  await operator.drain();
  await eventually(async () => {
    const { body } = await ask("/v1/dead-letters?pageSize=5");
    expect(body["deadLetters"]).toMatchObject([{ key: "ord_odd" }]);
  });
});

test("callers are in the log by the names of their certificates", () => {
  const callers = (name: string): string[] =>
    [...(running.get(name)?.output() ?? "").matchAll(/"peer":"([^"]+)"/g)].map(([, peer]) => peer ?? "");
  expect(callers("orders")).toContain("edge.ordermesh");
  expect(callers("inventory")).toContain("orders.ordermesh");
});

test("certificates that are replaced are used without a restart, and orders go on", async () => {
  const serial = async (): Promise<string> => {
    const { certificate: cert, key } = { certificate: file("edge.pem"), key: file("edge.key") };
    const socket = connectTls({ port: ports.get("orders") ?? 0, host: "127.0.0.1", ca: file("ca.pem"), cert, key });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  const together = [["fraud", "shipping"]];
  await writeCertificates({ folder: folder.certificates, days: 2, renew: true, together, hosts: [], partitions: 4 });
  await eventually(async () => expect(await serial()).not.toBe(before));
  await orderIsDelivered("SECURE-2");
});

test("nothing was refused on the way: every process had the rights that it needs", () => {
  // Before operations has made the streams the others ask in vain.
  const violations = outputs()
    .split("\n")
    .filter((line) => /Permissions Violation/.test(line) && !/STREAM\.CREATE/.test(line));
  expect(violations).toEqual([]);
});

describe("probes", () => {
  test("have a port of their own, where there is nothing else", async () => {
    const status = async (path: string): Promise<number> => (await fetch(`http://127.0.0.1:${probePort}${path}`)).status;
    expect(await status("/healthz")).toBe(200);
    expect(await status("/readyz")).toBe(200);
    expect(await status("/metrics")).toBe(404);
    expect(await status("/ordermesh.orders.v1.OrdersService/GetOrder")).toBe(404);
  });

  test("by the image's own health check hold, where every other port asks for a certificate", async () => {
    const [, command = "[]"] =
      /^HEALTHCHECK [\s\S]*?CMD (\[.*\])$/m.exec(readFileSync(join(root, "deploy/Dockerfile"), "utf8")) ?? [];
    const [program = "", ...args] = JSON.parse(command) as string[];
    expect(program).toBe("node");
    const check = (port: number): Promise<number | null> =>
      once(spawn(process.execPath, args, { env: { ORDERMESH_PROBE_PORT: String(port) } }), "exit").then(
        ([code]) => code as number,
      );
    expect(await check(probePort)).toBe(0);
    expect(await check(ports.get("orders") ?? 0)).toBe(1);
  });

  test("of the edge need no certificate", async () => {
    expect((await ask("/readyz")).status).toBe(200);
  });
});

describe("a service refuses a caller", () => {
  const call = async (pair?: Issued): Promise<number | string> => {
    const request = https.request(`${running.get("orders")?.rpcUrl}/readyz`, {
      ca: file("ca.pem"),
      agent: false,
      ...(pair ? { cert: pair.certificate, key: pair.key } : {}),
    });
    request.end();
    try {
      const [response] = (await once(request, "response")) as [IncomingMessage];
      response.resume();
      return response.statusCode ?? 0;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "";
    }
  };
  const kept = () => readAuthority({ certificate: file("ca.pem"), key: file("ca.key") });
  const refused = expect.stringMatching(/^(ERR_SSL_|ECONNRESET|EPIPE)/);

  test("but not one that has a certificate", async () => {
    expect(await call(await issueTo(await kept(), {}))).toBe(200);
  });

  test("without a certificate, with one of another authority, and with one that has ended", async () => {
    expect(await call()).toEqual(refused);
    expect(await call(await issueTo(await createAuthority({ days: 1 }), {}))).toEqual(refused);
    expect(await call(await issueTo(await kept(), { notAfter: new Date(Date.now() - hourMs) }))).toEqual(refused);
  });

  test("in cleartext", async () => {
    await expect(fetch(`http://127.0.0.1:${ports.get("orders")}/readyz`)).rejects.toThrow("fetch failed");
  });
});

describe("PostgreSQL", () => {
  const select = async (url: string): Promise<string> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.query("select 1");
      return "answered";
    } catch (error) {
      return (error as Error).message;
    } finally {
      await client.end().catch(() => {});
    }
  };
  const withFiles = (files: Record<string, string>): string => {
    const url = new URL(postgres.url);
    url.searchParams.set("sslmode", "verify-full");
    for (const [name, value] of Object.entries(files)) url.searchParams.set(name, join(folder.certificates, value));
    return url.href;
  };

  test("answers who has a certificate and the password", async () => {
    expect(await select(withFiles({ sslrootcert: "ca.pem", sslcert: "orders.pem", sslkey: "orders.key" }))).toBe("answered");
  });

  test("refuses cleartext, and who has no certificate", async () => {
    expect(await select(postgres.url)).toMatch(/no pg_hba\.conf entry.*no encryption/);
    expect(await select(withFiles({ sslrootcert: "ca.pem" }))).toMatch(/valid client certificate/);
  });

  test("is not believed where its certificate is of an authority that is not ours", async () => {
    const url = withFiles({ sslrootcert: "orders.pem", sslcert: "orders.pem", sslkey: "orders.key" });
    expect(await select(url)).toMatch(/unable to (get|verify)|self-signed/);
  });
});

describe("a process does not start", () => {
  const fail = async (env: Record<string, string>) =>
    failToStart({ args: ["--only", "catalog"], env: { ...sharedSettings(), ...settingsOf("catalog"), ...env } });

  test("as a NATS user of whom the server knows nothing", async () => {
    const path = (name: string): string => join(folder.certificates, name);
    const { exitCode, output } = await fail({
      ORDERMESH_NATS_CERT_FILE: path("edge.pem"),
      ORDERMESH_NATS_KEY_FILE: path("edge.key"),
    });
    expect(exitCode).toBe(1);
    expect(output).toMatch(
      /The NATS server at tls:\/\/127\.0\.0\.1:\d+ does not answer \(.*[Aa]uthorization.*\): start it, or correct/,
    );
  });

  test("with a key that is another's", async () => {
    const { exitCode, output } = await fail({ ORDERMESH_TLS_KEY_FILE: join(folder.certificates, "orders.key") });
    expect(exitCode).toBe(1);
    expect(output).toMatch(/TLS cannot start: the key in \S+orders\.key is not that of the certificate in \S+catalog\.pem/);
  });

  test("without a certificate for PostgreSQL", async () => {
    const { exitCode, output } = await fail({ ORDERMESH_DATABASE_CERT_FILE: "", ORDERMESH_DATABASE_KEY_FILE: "" });
    expect(exitCode).toBe(1);
    expect(output).toMatch(/The database at \S+ does not answer \(.*certificate.*\): start it, or correct DATABASE_URL/);
  });
});
