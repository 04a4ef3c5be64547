// The one port under TLS: every protocol, who is let in, whom a client believes, and certificates that are replaced.
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { openTlsFiles, type TlsFiles } from "#runtime/tls/tls-files.ts";
import { certificateFolder, hourMs, type CertificateFolder } from "../../../test/support/certificates.ts";
import { createAuthority, type Issued } from "../../../tools/certificates/authority.ts";
import { createClients, type Clients } from "./clients.ts";
import { peerKey } from "./peer.ts";
import { catalogRoutes, recordingLog, serveTest, testOptions, type TestServer } from "./testing.fixture.ts";

const { log, lines } = recordingLog();
let folder: CertificateFolder;
let serverFiles: TlsFiles;
let server: TestServer;
let orders: Issued;
const opened: { close(): void }[] = [];

const routes = catalogRoutes({
  getProduct: ({ productId }, { values }) => ({ product: { productId, title: values.get(peerKey) ?? "" } }),
});
const open = async (name: string, issued: Issued, ca?: string): Promise<TlsFiles> => {
  const files = await openTlsFiles(await folder.write(name, issued, ca), log);
  opened.push(files);
  return files;
};

beforeAll(async () => {
  folder = await certificateFolder();
  serverFiles = await open("server", await folder.issue({}));
  server = await serveTest({ routes, log, tls: serverFiles });
  orders = await folder.issue({ name: "orders", dnsNames: ["orders.ordermesh", "localhost"] });
});
afterEach(() => {
  for (const each of opened.splice(1)) each.close();
});
afterAll(async () => {
  serverFiles.close();
  await server.close(0);
  await folder.remove();
});

const trusting = (): { ca: string; cert: string; key: string } => ({
  ca: folder.authority.certificate,
  cert: orders.certificate,
  key: orders.key,
});
const transports: Record<string, () => Transport> = {
  "Connect over HTTP/1.1": () => createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", nodeOptions: trusting() }),
  "Connect over HTTP/2": () => createConnectTransport({ baseUrl: server.url, httpVersion: "2", nodeOptions: trusting() }),
  "gRPC over HTTP/2": () => createGrpcTransport({ baseUrl: server.url, nodeOptions: trusting() }),
  "gRPC-Web over HTTP/1.1": () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1", nodeOptions: trusting() }),
  "gRPC-Web over HTTP/2": () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "2", nodeOptions: trusting() }),
};

test.each(Object.entries(transports))("%s knows its caller by the certificate", async (_name, transport) => {
  const { product } = await createClient(CatalogService, transport()).getProduct({ productId: "prod_1" });
  expect(product).toMatchObject({ productId: "prod_1", title: "orders.ordermesh" });
});

/** The protocol that was agreed on, or the error of whichever end has refused. */
async function handshake(options: { ca: string; cert?: string; key?: string }): Promise<string> {
  const socket: TLSSocket = connect({ port: server.port, host: "127.0.0.1", ALPNProtocols: ["h2", "http/1.1"], ...options });
  try {
    await once(socket, "secureConnect");
    // In TLS 1.3 the client is done before the server has looked at its certificate, whose refusal is the next thing read.
    socket.write("GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n");
    await Promise.race([once(socket, "data"), once(socket, "close").then(() => Promise.reject(new Error("closed")))]);
    return String(socket.alpnProtocol);
  } catch (error) {
    return (error as Error).message;
  } finally {
    socket.destroy();
  }
}

describe("the handshake", () => {
  test("prefers HTTP/2", async () => {
    expect(await handshake(trusting())).toBe("h2");
  });

  test("ends without a certificate", async () => {
    expect(await handshake({ ca: folder.authority.certificate })).toMatch(/certificate required|closed|ECONNRESET/);
    await vi.waitFor(() => expect(refusals()).toContain("peer did not return a certificate"));
  });

  test("ends with one of another authority", async () => {
    const stranger = await (
      await createAuthority({ days: 1 })
    ).issue({
      name: "orders",
      dnsNames: ["orders.ordermesh"],
      addresses: [],
      uses: ["client"],
      notAfter: new Date(Date.now() + hourMs),
    });
    expect(await handshake({ ca: folder.authority.certificate, cert: stranger.certificate, key: stranger.key })).not.toBe("h2");
    await vi.waitFor(() => expect(refusals()).toMatch(/SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_/));
  });

  test("ends with one that has ended", async () => {
    const old = await folder.issue({ notAfter: new Date(Date.now() - 1_000) });
    expect(await handshake({ ca: folder.authority.certificate, cert: old.certificate, key: old.key })).toMatch(
      /certificate expired|closed|ECONNRESET/,
    );
  });

  test("ends with one that is for servers only", async () => {
    const nats = await folder.issue({ uses: ["server"] });
    expect(await handshake({ ca: folder.authority.certificate, cert: nats.certificate, key: nats.key })).not.toBe("h2");
  });

  test("does not begin in cleartext", async () => {
    await expect(fetch(`http://127.0.0.1:${server.port}/healthz`)).rejects.toThrow("fetch failed");
  });
});

/** Gives a token to whoever asks; by which certificate a service is known is tested here, and not by which token. */
const identity = await serveTest({
  routes: (router) => router.service(IdentityService, { issueToken: () => ({ accessToken: "own-token", expiresIn: 600 }) }),
});
afterAll(() => identity.close(0));

const refusals = (): string =>
  lines
    .filter((line) => line["msg"] === "tls_handshake_refused")
    .map((line) => String(line["reason"]))
    .join("\n");

function clientsOf(tls: TlsFiles | undefined, url = server.url): Clients {
  const local = { services: [], names: [], routes: () => {}, options: testOptions() };
  const clients = createClients({
    local,
    addresses: (name) => (name === "identity" ? [identity.url] : [url]),
    tenant: "demo",
    secretOf: (name) => `secret of ${name}`,
    log,
    ...(tls ? { tls } : {}),
  });
  opened.push(clients);
  return clients;
}

const answerTo = (clients: Clients): Promise<string | undefined> =>
  clients
    .of("orders")
    .client(CatalogService)
    .getProduct({ productId: "prod_1" })
    .then(
      ({ product }) => product?.title,
      (error: unknown) => {
        const { cause } = ConnectError.from(error);
        return `${reasonOf(error)} ${(cause as Error | undefined)?.message ?? ""}`;
      },
    );

describe("a service that calls another", () => {
  test("shows its certificate and asks for the other's name, whatever the address", async () => {
    expect(await answerTo(clientsOf(await open("orders", orders)))).toBe("orders.ordermesh");
  });

  test("has no answer from a server of another name", async () => {
    const files = await open("posing", await folder.issue({ dnsNames: ["payments.ordermesh", "localhost"] }));
    const posing = await serveTest({ routes, log, tls: files });
    expect(await answerTo(clientsOf(await open("orders", orders), posing.url))).toMatch(/DEPENDENCY_UNAVAILABLE .*altnames/);
    await posing.close(0);
  });

  test("has no answer from a server of another authority", async () => {
    const other = await createAuthority({ days: 1 });
    const files = await open("orders", orders, other.certificate);
    expect(await answerTo(clientsOf(files))).toMatch(/DEPENDENCY_UNAVAILABLE .*(signature|issuer|verify|self-signed)/);
  });

  test("has no answer from a server whose certificate has ended meanwhile", async () => {
    const files = await open("short", await folder.issue({ notAfter: new Date(Date.now() + 1_500) }));
    const short = await serveTest({ routes, log, tls: files });
    const ordersFiles = await open("orders", orders);
    await vi.waitFor(
      async () => expect(await answerTo(clientsOf(ordersFiles, short.url))).toMatch(/DEPENDENCY_UNAVAILABLE .*expired/),
      { timeout: 10_000, interval: 200 },
    );
    await short.close(0);
  });

  test("is refused without a certificate", async () => {
    const { identity: _identity, ...settings } = await folder.write("trusting", orders);
    const files = await openTlsFiles({ ...settings, clients: "none" }, log);
    opened.push(files);
    expect(await answerTo(clientsOf(files))).toMatch(/^DEPENDENCY_UNAVAILABLE/);
  });
});

describe("files that change", () => {
  const serialOf = async (port: number): Promise<string> => {
    const socket = connect({ port, host: "127.0.0.1", ...trusting() });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const noted = (msg: string): Record<string, unknown>[] => lines.filter((line) => line["msg"] === msg);

  test("are used by the next connection, at both ends; bad ones are not", async () => {
    const files = await open("rotating", await folder.issue({}));
    const rotating = await serveTest({ routes, log, tls: files });
    const first = await serialOf(rotating.port);

    const next = await folder.issue({});
    await folder.write("rotating", { ...next, key: "no key" });
    await vi.waitFor(() => expect(noted("tls_files_refused").at(-1)?.["reason"]).toMatch(/rotating\.key holds no private key/));
    expect(await serialOf(rotating.port)).toBe(first);

    await folder.write("rotating", { ...next, key: orders.key });
    await vi.waitFor(() => expect(noted("tls_files_refused").at(-1)?.["reason"]).toMatch(/is not that of the certificate/));
    await folder.write("rotating", await folder.issue({ notAfter: new Date(Date.now() - hourMs) }));
    await vi.waitFor(() => expect(noted("tls_files_refused").at(-1)?.["reason"]).toMatch(/has ended at/));
    expect(await serialOf(rotating.port)).toBe(first);

    await folder.write("rotating", next);
    await vi.waitFor(async () => expect(await serialOf(rotating.port)).not.toBe(first));
    await rotating.close(0);
  });

  test("end the trust in the authority before", async () => {
    const other = await createAuthority({ days: 1 });
    const files = await open("moving", await folder.issue({}));
    const moving = await serveTest({ routes, log, tls: files });
    const ordersFiles = await open("orders", orders);
    expect(await answerTo(clientsOf(ordersFiles, moving.url))).toBe("orders.ordermesh");
    await folder.write("moving", await folder.issue({}), other.certificate);
    await vi.waitFor(async () => expect(await answerTo(clientsOf(ordersFiles, moving.url))).toMatch(/^DEPENDENCY_UNAVAILABLE/));
    await moving.close(0);
  });

  test("that are missing end the start, with the file's name", async () => {
    const settings = { ...(await folder.write("gone", orders)), caFile: "/does/not/exist.pem" };
    await expect(openTlsFiles(settings, log)).rejects.toThrow(
      /^TLS cannot start: \/does\/not\/exist\.pem cannot be read \(ENOENT.*\)\. Correct the file, or the setting that names it\.$/,
    );
  });
});

test("a server closes while a connection is in the middle of its handshake", async () => {
  const files = await open("closing", await folder.issue({}));
  const closing = await serveTest({ routes, log, tls: files });
  const { connect: connectTcp } = await import("node:net");
  const silent = connectTcp(closing.port, "127.0.0.1");
  await once(silent, "connect");
  const startMs = performance.now();
  await closing.close(5_000);
  expect(performance.now() - startMs).toBeLessThan(2_000);
  silent.destroy();
});
