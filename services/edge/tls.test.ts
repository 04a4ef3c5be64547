// The edge under TLS: what it shows, what it takes, and that nothing changes where nothing is set.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import * as https from "node:https";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { createLogger } from "#runtime/log.ts";
import { certificateFolder, type CertificateFolder } from "../../test/support/certificates.ts";
import { startEdge, type Edge } from "./main.ts";

let folder: CertificateFolder;
let edge: Edge;
let settings: Record<string, string>;

const start = (env: Record<string, string>): Promise<Edge> =>
  startEdge({
    services: [CatalogService],
    transportFor: () => createRouterTransport(() => {}),
    port: 0,
    host: "127.0.0.1",
    log: createLogger({ level: "silent" }),
    httpLimits: { headersMs: 500, checkMs: 50 },
    env,
  });

beforeAll(async () => {
  folder = await certificateFolder();
  const { identity } = await folder.write("edge", await folder.issue({ dnsNames: ["shop.example"] }));
  settings = {
    ORDERMESH_EDGE_TLS_CERT_FILE: identity?.certFile ?? "",
    ORDERMESH_EDGE_TLS_KEY_FILE: identity?.keyFile ?? "",
    ORDERMESH_TLS_CHECK_SECONDS: "1",
  };
  edge = await start(settings);
});
afterAll(async () => {
  await edge.close(0);
  await folder.remove();
});

const trusting = () => ({ ca: folder.authority.certificate, servername: "shop.example" });

async function get(path: string, options: https.RequestOptions = trusting()): Promise<number | undefined> {
  const request = https.get({ ...options, host: "127.0.0.1", port: edge.port, path, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

test("answers under the name of its certificate, and under no other", async () => {
  expect(edge.isSecure).toBe(true);
  expect(await get("/healthz")).toBe(200);
  expect(await get("/v1/nothing")).toBe(404);
  await expect(get("/healthz", { ...trusting(), servername: "other.example" })).rejects.toThrow(/altnames/);
});

test("speaks HTTP/1.1, which it says in the handshake", async () => {
  const socket = connectTls({ ...trusting(), host: "127.0.0.1", port: edge.port, ALPNProtocols: ["h2", "http/1.1"] });
  await once(socket, "secureConnect");
  expect(socket.alpnProtocol).toBe("http/1.1");
  socket.destroy();
});

test("does not answer in cleartext, and goes on", async () => {
  await expect(fetch(`http://127.0.0.1:${edge.port}/healthz`)).rejects.toThrow("fetch failed");
  expect(await get("/healthz")).toBe(200);
});

test("ends a handshake that does not come", async () => {
  const socket = connectTcp(edge.port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  await vi.waitFor(() => expect(socket.closed || socket.readableEnded).toBe(true), { timeout: 5_000 });
});

test("uses a certificate that has replaced the one before", async () => {
  const serial = async (): Promise<string> => {
    const socket = connectTls({ ...trusting(), host: "127.0.0.1", port: edge.port });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  await folder.write("edge", await folder.issue({ dnsNames: ["shop.example"] }));
  await vi.waitFor(async () => expect(await serial()).not.toBe(before), { timeout: 5_000 });
});

test("takes only callers with a certificate where that is asked for", async () => {
  const { caFile = "" } = await folder.write("closed", await folder.issue({ dnsNames: ["shop.example"] }));
  const closed = await start({ ...settings, ORDERMESH_EDGE_TLS_CA_FILE: caFile, ORDERMESH_EDGE_TLS_CLIENTS: "required" });
  const ask = async (pair: { cert?: string; key?: string }): Promise<number | undefined> => {
    const request = https.get({ ...trusting(), ...pair, host: "127.0.0.1", port: closed.port, path: "/healthz", agent: false });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return response.resume().statusCode;
  };
  const { certificate, key } = await folder.issue({});
  expect(await ask({ cert: certificate, key })).toBe(200);
  await expect(ask({})).rejects.toThrow(/certificate required|hang up|ECONNRESET|EPIPE/);
  await closed.close(0);
});

test("does not start with half of a certificate", async () => {
  await expect(start({ ORDERMESH_EDGE_TLS_CERT_FILE: "edge.pem" })).rejects.toThrow(
    "Set ORDERMESH_EDGE_TLS_CERT_FILE and ORDERMESH_EDGE_TLS_KEY_FILE together, or neither.",
  );
});
