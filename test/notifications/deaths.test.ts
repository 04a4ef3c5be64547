// The process dies around the handing over of a mail: the customer gets one or none, and it is known which it may be. Meanwhile
// another program is told of all that happens, also by the process that comes after.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, startDyingMesh } from "../faults/dying-mesh.ts";
import { smtpServer } from "../operations/mail-servers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { eventually } from "../support/until.ts";

let database: TestDatabase;
let nats: TestNats;
let smtp: Awaited<ReturnType<typeof smtpServer>>;
let mesh: MeshProcess | undefined;
let receiver: Server;
/** What the other program was sent. */
const calls: { headers: Record<string, string>; body: string }[] = [];

beforeAll(async () => {
  [database, nats, smtp] = await Promise.all([createTestDatabase(), testNats(), smtpServer()]);
  receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => void (body += chunk.toString()));
    request.on("end", () => {
      calls.push({ headers: request.headers as Record<string, string>, body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  await mesh?.end("SIGKILL");
  receiver.close();
  await smtp.close();
  await nats.stop();
  await database.drop();
});

const start = (crashAt = "") =>
  startDyingMesh(
    { databaseUrl: database.url, natsUrl: nats.url },
    {
      crashAt,
      env: {
        ORDERMESH_CUSTOMER_MAILER: "smtp",
        ORDERMESH_CUSTOMER_MAIL_FROM: "shop@example.test",
        ORDERMESH_SMTP_URL: `smtp://${smtp.host}`,
        ORDERMESH_CARRIER_DISPATCH_MS: "600000",
        ORDERMESH_WEBHOOK_ALLOW_PRIVATE: "on",
      },
    },
  );

async function change(path: string, body: object): Promise<void> {
  const headers = { "content-type": "application/json" };
  const answer = await mesh?.fetch(path, { method: "PATCH", body: JSON.stringify(body), headers });
  expect(answer?.status).toBe(200);
}

/**
 * A repeat of the request gets the first answer, which may have got lost with the process. The payment takes its time, so that it is
 * the first mail at which the process dies and not what comes of the second.
 */
const place = async (requestId: string): Promise<string> => {
  const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_delay", items: [{ sku: "MUG-BLUE", quantity: "1" }] };
  return (await ask<{ orderId: string }>(mesh, "/v1/orders", { requestId, ...basket })).orderId;
};
const mailsOf = (orderId: string): number =>
  smtp.mails.filter(({ source }) => source.includes(`We have your order ${orderId}`)).length;

/** The process dies at the mail that says that the order was created. */
async function dieAtMail(requestId: string): Promise<void> {
  if (!mesh) throw new Error("no mesh is running");
  const died = once(mesh.child, "exit");
  await place(requestId).catch(() => {});
  await died;
  expect(mesh.child.signalCode).toBe("SIGKILL");
}

async function expectUnknown(orderId: string): Promise<void> {
  await eventually(async () => {
    const { notifications } = await ask<{ notifications: object[] }>(mesh, `/v1/orders/${orderId}/notifications`);
    expect(notifications).toMatchObject([
      { fact: "created", state: "NOTIFICATION_STATE_UNKNOWN", reason: "OUTCOME_UNKNOWN" },
      { fact: "ready", state: "NOTIFICATION_STATE_SKIPPED", reason: "NOT_WANTED" },
    ]);
  });
}

test("killed after the server took the mail, the customer has one; killed before, none: both are unknown and sent no more", async () => {
  mesh = await start("notifications.send:after_provider");
  await change("/v1/customers/ada?allowMissing=true", { email: "ada@example.test" });
  // So that the mail at which it dies is the only one.
  const preferences = [{ fact: "ready", channel: "email", enabled: false }];
  await change("/v1/customers/ada/notification-preferences", { preferences });
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const { secret } = await ask<{ secret: string }>(mesh, "/v1/webhook-endpoints", { url });
  await dieAtMail("taken");
  mesh = await start("notifications.send:before_provider");
  const taken = await place("taken");
  await expectUnknown(taken);
  await dieAtMail("claimed");
  mesh = await start();
  const claimed = await place("claimed");
  await expectUnknown(claimed);
  expect([taken, claimed].map(mailsOf)).toEqual([1, 0]);
  const told = () =>
    calls.map(({ headers, body }) => new Webhook(secret).verify(body, headers) as { type: string; data: object });
  for (const orderId of [taken, claimed]) {
    for (const type of ["ordermesh.orders.events.v2.OrderCreated", "ordermesh.orders.events.v1.OrderReady"]) {
      await eventually(() =>
        expect(told()).toContainEqual(expect.objectContaining({ type, data: expect.objectContaining({ orderId }) as object })),
      );
    }
  }
}, 180_000);
