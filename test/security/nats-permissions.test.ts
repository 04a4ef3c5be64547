// What each service may do at a NATS server that knows it by its certificate, and what it is refused.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import { verifyNats } from "#runtime/backing/verify.ts";
import type { NatsAccess } from "#runtime/backing/nats-access.ts";
import { permissionsOf } from "#runtime/events/permissions.ts";
import { ensureStreams, eventStream } from "#runtime/events/streams.ts";
import { definitions } from "../../services/mesh.ts";
import { createAuthority, readAuthority, type Authority } from "../../tools/certificates/authority.ts";
import { hourMs, issueTo } from "../support/certificates.ts";
import { secureFolder, startSecureNats, type SecureFolder, type SecureServer } from "../support/secure-servers.ts";

let folder: SecureFolder;
let nats: SecureServer;
const connections: NatsConnection[] = [];
const streams = { partitions: 4, replicas: 1 };

beforeAll(async () => {
  folder = await secureFolder({ together: [["fraud", "shipping"]] });
  nats = await startSecureNats(folder);
  await ensureStreams(await jetstreamManager(await connectAs("operations")), streams);
});
afterEach(() => Promise.all(connections.splice(0).map((connection) => connection.close())));
afterAll(async () => {
  await nats?.stop();
  await folder?.remove();
});

const fileOf = (name: string): string => join(folder.certificates, name);

function accessIn(certificates: string, name: string): NatsAccess {
  const file = (ending: string): string => join(certificates, ending);
  const tls = { caFile: file("ca.pem"), certFile: file(`${name}.pem`), keyFile: file(`${name}.key`), handshakeFirst: true };
  return { tls, inboxPrefix: `_INBOX.${name}` };
}

const accessOf = (name: string): NatsAccess => accessIn(folder.certificates, name);

async function connectAs(name: string, access = accessOf(name)): Promise<NatsConnection> {
  const connection = await connect({ ...natsConnectionOptions(nats.url, access), reconnect: false });
  connections.push(connection);
  return connection;
}

/** What the server says to it; undefined where it says nothing. */
async function refusalOf(name: string, act: (connection: NatsConnection) => unknown): Promise<string | undefined> {
  const connection = await connectAs(name);
  let refusal: string | undefined;
  void (async () => {
    for await (const status of connection.status()) if (status.type === "error") refusal ??= status.error.message;
  })();
  act(connection);
  await connection.flush();
  await sleep(20);
  return refusal;
}

const publishing =
  (subject: string) =>
  (connection: NatsConnection): void =>
    connection.publish(subject);
const subscribing =
  (subject: string) =>
  (connection: NatsConnection): unknown =>
    connection.subscribe(subject);

describe("a service may", () => {
  test.each([
    ["send its events", "orders", publishing("ordermesh.orders.events.v1.OrderCancelled.demo.ord_1")],
    ["send events of another version", "orders", publishing("ordermesh.orders.events.v2.OrderCreated.demo.ord_1")],
    ["tell its seals of the audit log", "orders", publishing("ordermesh.auditlog.events.v1.AuditLogSealed.mesh.orders")],
    ["wake its tasks elsewhere", "payments", publishing("ordermesh.wake.payments.relay")],
    ["hear that it is woken", "payments", subscribing("ordermesh.wake.payments.due")],
    ["follow what it declares", "orders", subscribing("ordermesh.catalog.events.>")],
    ["hear its answers", "fraud", subscribing("_INBOX.fraud.one.*")],
    [
      "as a process of two: send events of the one",
      "fraud-shipping",
      publishing("ordermesh.fraud.events.v1.FraudCleared.demo.1"),
    ],
    ["as a process of two: wake the other", "fraud-shipping", publishing("ordermesh.wake.shipping.relay")],
    ["as operations: send an event again", "operations", publishing("redrive.orders.p.0.ordermesh.a.events.v1.B.demo.1")],
  ])("%s (%s)", async (_what, name, act) => {
    expect(await refusalOf(name, act)).toBeUndefined();
  });
});

describe("a service may not", () => {
  test.each([
    ["send another's event", "catalog", publishing("ordermesh.orders.events.v1.OrderCancelled.demo.ord_1")],
    ["send an event that it does not declare", "orders", publishing("ordermesh.orders.events.v1.OrderForged.demo.ord_1")],
    ["tell another's seals", "orders", publishing("ordermesh.auditlog.events.v1.AuditLogSealed.mesh.payments")],
    ["tell its seals as a shop's", "orders", publishing("ordermesh.auditlog.events.v1.AuditLogSealed.demo.orders")],
    ["wake another's tasks", "catalog", publishing("ordermesh.wake.orders.relay")],
    ["send events again", "orders", publishing("redrive.payments.p.0.ordermesh.a.events.v1.B.demo.1")],
    ["store under the stream's own subjects", "orders", publishing("p.0.ordermesh.payments.events.v1.PaymentCaptured.demo.1")],
    ["forge an advisory", "orders", publishing("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.EVENTS.payments_p0")],
    ["acknowledge for another", "orders", publishing("$JS.ACK.EVENTS.payments_p0.1.1.1.1.0")],
    ["take another's events", "orders", publishing("$JS.API.CONSUMER.MSG.NEXT.EVENTS.payments_p0")],
    ["change another's consumer", "orders", publishing("$JS.API.CONSUMER.CREATE.EVENTS.payments_p0")],
    ["delete its own consumer", "orders", publishing("$JS.API.CONSUMER.DELETE.EVENTS.orders_p0")],
    ["make a stream", "orders", publishing("$JS.API.STREAM.CREATE.OTHER")],
    ["delete the stream", "orders", publishing("$JS.API.STREAM.DELETE.EVENTS")],
    ["delete one of its messages", "orders", publishing("$JS.API.STREAM.MSG.DELETE.EVENTS")],
    ["empty it", "operations", publishing("$JS.API.STREAM.PURGE.EVENTS")],
    ["delete it as operations", "operations", publishing("$JS.API.STREAM.DELETE.EVENTS")],
    ["take another's events as operations", "operations", publishing("$JS.API.CONSUMER.MSG.NEXT.EVENTS.payments_p0")],
    ["delete another's consumer as operations", "operations", publishing("$JS.API.CONSUMER.DELETE.EVENTS.payments_p0")],
    ["send another's event as a process of two", "fraud-shipping", publishing("ordermesh.orders.events.v1.OrderReady.demo.1")],
    ["listen to another's answers", "catalog", subscribing("_INBOX.orders.>")],
    ["listen to all answers", "catalog", subscribing("_INBOX.>")],
    ["listen to everything", "catalog", subscribing(">")],
    ["listen to advisories", "catalog", subscribing("$JS.EVENT.ADVISORY.>")],
    ["publish into another's answers", "catalog", publishing("_INBOX.orders.one.1")],
  ])("%s (%s)", async (_what, name, act) => {
    expect(await refusalOf(name, act)).toMatch(/^Permissions Violation for (Publish|Subscription) to "/);
  });
});

test("the stream is still there after all that, and without what was forged", async () => {
  const manager = await jetstreamManager(await connectAs("operator"));
  const { state } = await manager.streams.info(eventStream, { subjects_filter: ">" });
  const types = Object.keys(state.subjects ?? {}).map((subject) => subject.split(".").slice(-3)[0]);
  expect(new Set(types)).toEqual(new Set(["AuditLogSealed", "B", "FraudCleared", "OrderCancelled", "OrderCreated"]));
});

describe("streams", () => {
  test("that are as declared need no right to make them", async () => {
    const manager = await jetstreamManager(await connectAs("orders"));
    await expect(ensureStreams(manager, streams)).resolves.toBeUndefined();
  });

  test("that are not there are waited for by who may not make them", async () => {
    const other = await secureFolder();
    const empty = await startSecureNats(other);
    const open = (name: string): Promise<NatsConnection> =>
      connect(natsConnectionOptions(empty.url, accessIn(other.certificates, name)));
    const [orders, operations] = await Promise.all([open("orders"), open("operations")]);
    const waiting = ensureStreams(await jetstreamManager(orders), streams);
    const first = await Promise.race([waiting.then(() => "made"), sleep(700).then(() => "waits")]);
    expect(first).toBe("waits");
    await ensureStreams(await jetstreamManager(operations), streams);
    await waiting;
    await Promise.all([orders.close(), operations.close()]);
    await empty.stop();
    await other.remove();
  });
});

describe("a connection is refused", () => {
  const trying = (access: NatsAccess): Promise<string> => verifyNats(nats.url, { access });
  const certified = async (name: string, authority?: Authority, notAfter?: Date) => {
    const { certificate, key } = await issueTo(authority ?? (await keptAuthority()), {
      dnsNames: [name],
      ...(notAfter ? { notAfter } : {}),
    });
    return { cert: certificate, key };
  };
  const keptAuthority = (): Promise<Authority> =>
    readAuthority({ certificate: readFileSync(fileOf("ca.pem"), "utf8"), key: readFileSync(fileOf("ca.key"), "utf8") });
  const dial = async (pair: { cert?: string; key?: string }, ca = readFileSync(fileOf("ca.pem"), "utf8")): Promise<string> => {
    const tls = { ca, handshakeFirst: true, ...pair };
    return connect({ servers: nats.url.replace("tls://", ""), tls, reconnect: false, timeout: 3_000 }).then(
      async (connection) => {
        await connection.close();
        return "connected";
      },
      (error: unknown) => (error as Error).message,
    );
  };

  test("but not one of an own certificate", async () => {
    expect(await trying(accessOf("orders"))).toMatch(/^2\./);
    expect(await dial(await certified("orders.ordermesh"))).toBe("connected");
  });

  test("without a certificate", async () => {
    const { tls: { caFile } = {} } = accessOf("orders");
    const answer = trying({ tls: { caFile: caFile ?? "", handshakeFirst: true } });
    await expect(answer).rejects.toThrow(
      /does not answer \(.*\): start it, or correct NATS_URL or the settings ORDERMESH_NATS_…\.$/,
    );
  });

  test("with a certificate of another authority", async () => {
    expect(await dial(await certified("orders.ordermesh", await createAuthority({ days: 1 })))).not.toBe("connected");
  });

  test("with a certificate that has ended", async () => {
    expect(await dial(await certified("orders.ordermesh", undefined, new Date(Date.now() - hourMs)))).not.toBe("connected");
  });

  test("with a certificate of somebody who is no user", async () => {
    expect(await dial(await certified("stranger.ordermesh"))).toMatch(/authorization violation/i);
  });

  test("by us, where the server's certificate is of another authority", async () => {
    const other = await createAuthority({ days: 1 });
    expect(await dial(await certified("orders.ordermesh"), other.certificate)).toMatch(/self-signed|issuer|verify|signature/);
  });

  test("in cleartext", async () => {
    await expect(verifyNats(nats.url.replace("tls:", "nats:"), { timeoutMs: 2_000 })).rejects.toThrow("does not answer");
  });
});

test("no user of a process may do everything", () => {
  for (const service of definitions) {
    const { publish, subscribe } = permissionsOf({ runs: [service], all: definitions, partitions: 4, inboxPrefix: "_INBOX.x" });
    for (const subject of [...publish.allow, ...subscribe.allow])
      expect(subject).not.toMatch(/^(>|\*|\$JS\.(API\.)?>|ordermesh\.>)/);
  }
});
