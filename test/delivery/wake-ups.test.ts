import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import { createSharedWakeUp, type SharedWakeUp } from "#runtime/shared-wake-up.ts";
import { failingNats, type FailingNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const subject = "ordermesh.wake.probe.relay";
/** Far longer than a test may last. */
const longMs = 600_000;

let nats: FailingNats;
let connections: NatsConnection[];

beforeEach(async () => {
  nats = await failingNats();
  connections = [];
});

afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await nats.stop();
});

async function newConnection(): Promise<NatsConnection> {
  const connection = await connect({ ...natsConnectionOptions(nats.url), maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  connections.push(connection);
  return connection;
}

/** As a process of its own has it. */
async function inProcess(runsHere: boolean): Promise<SharedWakeUp> {
  const connection = await newConnection();
  const wakeUp = createSharedWakeUp({ connection, subject, runsHere: () => runsHere });
  await connection.flush();
  return wakeUp;
}

/** Counts what is told from now on. */
async function listen(): Promise<{ connection: NatsConnection; told: () => number }> {
  const connection = await newConnection();
  let told = 0;
  connection.subscribe(subject, { callback: () => void (told += 1) });
  await connection.flush();
  return { connection, told: () => told };
}

test("a task is woken in its own process without a word to others, and from another process by one", async () => {
  const [runner, other, { told }] = await Promise.all([inProcess(true), inProcess(false), listen()]);
  runner.wake();
  await runner.wait(longMs);
  const waiting = runner.wait(longMs);
  for (let count = 0; count < 1_000; count += 1) other.wake();
  await waiting;
  await until(() => told() > 0);
  expect(told()).toBe(1);
});

test("what is to be woken while NATS is away is woken once when it is back", async () => {
  const [runner, other, { connection, told }] = await Promise.all([inProcess(true), inProcess(false), listen()]);
  const away = connections.map((each) => statusOf(each, "disconnect"));
  await nats.pause();
  await Promise.all(away);
  const waiting = runner.wait(longMs);
  const pause = new Promise((resolve) => setTimeout(resolve, 20));
  for (let count = 0; count < 10; count += 1) other.wake();
  await pause;
  for (let count = 0; count < 10; count += 1) other.wake();
  const back = connections.map((each) => statusOf(each, "reconnect"));
  await nats.resume();
  await Promise.all([...back, waiting]);
  await connection.flush();
  // Both processes say it at their reconnection; none says what was said meanwhile.
  expect(told()).toBeLessThanOrEqual(2);
});

test("one that is closed hears nothing and says nothing", async () => {
  const [runner, other, { connection, told }] = await Promise.all([inProcess(true), inProcess(false), listen()]);
  other.wake();
  other.close();
  runner.close();
  await Promise.all(connections.map((each) => each.flush()));
  await connection.flush();
  expect(told()).toBe(0);
});

async function statusOf(connection: NatsConnection, wanted: "disconnect" | "reconnect"): Promise<void> {
  for await (const { type } of connection.status()) if (type === wanted) return;
}
