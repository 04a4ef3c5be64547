import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { eventType, productBytes, tenant } from "../delivery/probe.ts";
import { refusal } from "../support/refusal.ts";
import { until } from "../support/until.ts";
import { by, lettersIn, lettersWorld, type LettersWorld } from "./letters-world.ts";

let world: LettersWorld;

beforeEach(async () => {
  world = await lettersWorld();
});

afterEach(() => world.close());

const subject = `${eventType}.${tenant}.a`;

/** Publishes by the protocol itself, because our own client refuses to write such headers. */
async function publishRaw(lines: string, payload: Uint8Array, to = subject): Promise<void> {
  const { hostname, port } = new URL(world.natsUrl);
  const headers = Buffer.from(`NATS/1.0\r\n${lines}\r\n\r\n`, "latin1");
  const socket = connect(Number(port), hostname);
  const answered = Promise.withResolvers<void>();
  socket.on("error", answered.reject);
  socket.on("data", (data) => {
    if (data.toString("latin1").includes("PONG")) answered.resolve();
  });
  socket.write(`CONNECT {"verbose":false,"headers":true}\r\nHPUB ${to} `);
  socket.write(`${headers.length} ${headers.length + payload.length}\r\n`);
  for (const part of [headers, payload, "\r\nPING\r\n"]) socket.write(part);
  await answered.promise.finally(() => socket.destroy());
}

test.each([
  { what: "a header's name with an accent", line: "X-\xe9: v" },
  { what: "a header's name with a space", line: "X sp ace: v" },
])("a message that has $what is one letter, and what comes after it is handled", async ({ line }) => {
  const probe = await world.start();
  const operating = await world.operate(probe);
  await publishRaw(`ce-id: evt_1\r\nce-type: ${eventType}\r\n${line}`, productBytes("a", "odd"));
  await probe.send({ key: "a", label: "after" });
  const [letter] = await lettersIn(operating, DeadLetterState.OPEN, 1);
  expect(letter).toMatchObject({ code: "ID_MISSING", key: "a" });
  expect(letter?.message).toContain("cannot be read");
  await until(async () => (await probe.effects()).some(({ label }) => label === "after"));
});

test("a message that is too large for a consumer is closed by its discard, and no later letter of its key waits behind it", async () => {
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  const headers = { "ce-id": "evt_large", "ce-type": eventType };
  await world.publish({ subject, payload: new Uint8Array(1_040_000), headers });
  await probe.send({ key: "a", label: "poison" });
  const [large, poison] = await lettersIn(operating, DeadLetterState.OPEN, 2);
  expect([large?.code, poison?.waitsBehind]).toEqual(["PAYLOAD_TOO_LARGE", ""]);
  await operating.client.discardDeadLetter({ letterId: large?.letterId ?? "", ...by });
  await operating.client.discardDeadLetter({ letterId: poison?.letterId ?? "", ...by });
  await probe.send({ key: "a", label: "later" });
  await until(async () => (await probe.effects()).some(({ label }) => label === "later"));
  const sentAgain = (await world.stored()).filter((message) => message.subject.startsWith("redrive."));
  expect(sentAgain.map((message) => message.headers?.get("ce-id"))).not.toContain("evt_large");
});

test.each([
  { what: "NUL in its key", to: `${eventType}.${tenant}.a\0b` },
  { what: "NUL in its tenant", to: `${eventType}.te\0nant.a` },
  { what: "a key that no index takes", to: `${eventType}.${tenant}.${randomBytes(1_400).toString("hex")}` },
])("a message that has $what is one letter, is counted nowhere, and what comes after it is handled", async ({ to }) => {
  const probe = await world.start();
  const operating = await world.operate(probe);
  await publishRaw(`ce-id: evt_1\r\nce-type: ${eventType}\r\nce-sequence: 1`, productBytes("a", "odd"), to);
  await probe.send({ key: "a", label: "after" });
  const [letter] = await lettersIn(operating, DeadLetterState.OPEN, 1);
  expect(letter?.code).toBe("SUBJECT_UNKNOWN");
  const letterId = letter?.letterId ?? "";
  expect(await refusal(operating.client.redriveDeadLetter({ letterId, ...by }))).toMatchObject({
    reason: "LETTER_NOT_REDRIVABLE",
  });
  await until(async () => (await probe.effects()).some(({ label }) => label === "after"));
  const lastOfStream = Math.max(...(await world.stored()).map(({ seq }) => seq));
  await until(async () => {
    const { rows } = await sql<{ read: number }>`select stream_sequence as read from stream_reader`.execute(operating.db);
    return (rows[0]?.read ?? 0) >= lastOfStream;
  });
});
