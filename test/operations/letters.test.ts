import { afterEach, beforeEach, expect, test } from "vitest";
import { DeadLetterSource, DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { newId } from "#runtime/ids.ts";
import { eventType, productBytes, tenant } from "../delivery/probe.ts";
import { refusal } from "../support/refusal.ts";
import { eventually } from "../support/until.ts";
import { actionsOf, by, lettersIn, lettersOf, lettersWorld, type LettersWorld } from "./letters-world.ts";

const { OPEN, RESOLVED, DISCARDED } = DeadLetterState;

let world: LettersWorld;

beforeEach(async () => {
  world = await lettersWorld();
});

afterEach(() => world.close());

const attributes = (id: string, type = eventType): Record<string, string> => ({
  "ce-id": id,
  "ce-type": type,
  "ce-time": new Date().toISOString(),
});

const subject = `${eventType}.${tenant}.a`;

test.each([
  { code: "PAYLOAD_MALFORMED", subject, payload: new Uint8Array([255, 255, 255]), headers: attributes("evt_1") },
  { code: "ID_INVALID", subject, payload: productBytes("a", "x"), headers: attributes("x".repeat(12_000)) },
  {
    code: "VERSION_UNKNOWN",
    subject: `ordermesh.catalog.events.v9.ProductCreated.${tenant}.a`,
    payload: productBytes("a", "x"),
    headers: attributes("evt_2", "ordermesh.catalog.events.v9.ProductCreated"),
  },
  { code: "ID_MISSING", subject, payload: productBytes("a", "x"), headers: {} },
  {
    code: "TYPE_MISMATCH",
    subject,
    payload: productBytes("a", "x"),
    headers: attributes("evt_3", "ordermesh.catalog.events.v1.Other"),
  },
])("fault 14: $code is one letter that can be read, and its discard only closes it", async ({ code, ...message }) => {
  const probe = await world.start();
  const operating = await world.operate(probe);
  await world.publish(message);
  const [listed] = await lettersIn(operating, OPEN, 1);
  expect(listed).toMatchObject({ code, service: "probe", tenant, key: "a", failures: 1, source: DeadLetterSource.ADVISORY });
  const { deadLetter } = await operating.client.getDeadLetter({ letterId: listed?.letterId ?? "" });
  expect(deadLetter?.payload).toEqual(message.payload);
  // It says what is in it, or why that cannot be said.
  expect(deadLetter?.payloadJson === undefined).toBe(deadLetter?.payloadProblem !== "");
  const letterId = listed?.letterId ?? "";
  await operating.client.discardDeadLetter({ letterId, ...by });
  expect((await lettersOf(operating)).map(({ state }) => state)).toEqual([DISCARDED]);
  await probe.send({ key: "a", label: "later" });
  await eventually(async () => expect((await probe.effects()).map(({ label }) => label)).toEqual(["later"]));
});

test("fault 13: a poisonous event is a letter with its cause, its attempts and its content; a redrive finishes its key in sequence", async () => {
  let broken = true;
  const probe = await world.start((label) => {
    if (label === "poison" && broken) throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "poison" }, { key: "a", label: "second" }, { key: "a", label: "third" });
  const [poison, second, third] = await lettersIn(operating, OPEN, 3);
  if (!poison || !second || !third) throw new Error("letters are missing");
  expect(poison).toMatchObject({
    code: "HANDLER_FAILED",
    message: "cannot be done",
    attempts: 4,
    typeName: eventType,
    waitsBehind: "",
    payloadJson: { productId: "a", title: "poison" },
  });
  expect([second.waitsBehind, third.waitsBehind]).toEqual([poison.letterId, poison.letterId]);
  expect(await refusal(operating.client.redriveDeadLetter({ letterId: second.letterId, ...by }))).toMatchObject({
    reason: "EARLIER_LETTER_OPEN",
  });
  broken = false;
  // oxlint-disable-next-line typescript/no-deprecated -- programs made when it was required send it
  await operating.client.redriveDeadLetter({ letterId: poison.letterId, ...by, actor: "somebody else" });
  await lettersIn(operating, RESOLVED, 3);
  expect((await probe.effects()).map(({ label }) => label)).toEqual(["poison", "second", "third"]);
  expect(await actionsOf(operating, poison.letterId)).toEqual(["CAPTURED", "REDRIVE_ASKED", "REDRIVE_SENT", "RESOLVED"]);
  const { actions } = await operating.client.listDeadLetterActions({ letterId: poison.letterId });
  expect(actions[1]).toMatchObject({ actor: "operator", reason: "for a test" });
  await probe.send({ key: "a", label: "afterwards" });
  await eventually(async () => expect((await probe.effects()).at(-1)?.label).toBe("afterwards"));
});

test("fault 19: a redrive that fails again is the same letter with one failure more, and what waits behind it waits on", async () => {
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "poison" }, { key: "a", label: "behind" });
  const [poison] = await lettersIn(operating, OPEN, 2);
  const { redrive } = await operating.client.redriveDeadLetters({ filter: {}, ...by });
  expect(redrive?.letters).toBe(2n);
  await eventually(async () => {
    const { redrive: ended } = await operating.client.getRedrive({ redriveId: redrive?.redriveId ?? "" });
    expect(ended).toMatchObject({ waiting: 0n, sent: 0n, resolved: 0n, failed: 2n });
    expect(ended?.finishTime).toBeDefined();
  });
  const [again, behind] = await lettersIn(operating, OPEN, 2);
  expect(again).toMatchObject({ letterId: poison?.letterId, failures: 2, attempts: 8, code: "HANDLER_FAILED" });
  expect(behind).toMatchObject({ failures: 1, code: "KEY_PARKED", waitsBehind: poison?.letterId });
  expect(await probe.effects()).toEqual([]);
});

test("fault 18: a redrive that is asked for twice at once has one effect", async () => {
  let broken = true;
  const probe = await world.start((label) => {
    if (label === "poison" && broken) throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "poison" });
  const [poison] = await lettersIn(operating, OPEN, 1);
  const letterId = poison?.letterId ?? "";
  broken = false;
  await Promise.all([
    operating.client.redriveDeadLetter({ letterId, ...by }),
    operating.client.redriveDeadLetter({ letterId, ...by }),
  ]);
  await lettersIn(operating, RESOLVED, 1);
  expect((await probe.effects()).length).toBe(1);
  expect((await world.stored()).filter((message) => message.subject.startsWith("redrive."))).toHaveLength(1);
  const { deadLetter } = await operating.client.redriveDeadLetter({ letterId, ...by });
  expect(deadLetter?.state).toBe(RESOLVED);
});

test("the same request id gets the first redrive, and a dry run sends nothing", async () => {
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "poison" });
  await lettersIn(operating, OPEN, 1);
  const { redrive: dry } = await operating.client.redriveDeadLetters({ filter: {}, dryRun: true, ...by });
  expect(dry).toMatchObject({ redriveId: "", letters: 1n });
  expect((await lettersOf(operating))[0]?.failures).toBe(1);
  const asked = { filter: {}, requestId: "one", ...by };
  const [one, other] = await Promise.all([
    operating.client.redriveDeadLetters(asked),
    operating.client.redriveDeadLetters(asked),
  ]);
  expect(one.redrive?.redriveId).toBe(other.redrive?.redriveId);
});

test("fault 18: a letter whose original the stream has dropped is sent again from what the letter keeps", async () => {
  let broken = true;
  const probe = await world.start((label) => {
    if (label === "poison" && broken) throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "poison" });
  const [poison] = await lettersIn(operating, OPEN, 1);
  await world.connection.request("$JS.API.STREAM.PURGE.EVENTS");
  // What operations itself tells of the letter may come after it.
  expect((await world.stored()).map(({ seq }) => BigInt(seq))).not.toContain(poison?.streamSequence);
  broken = false;
  await operating.client.redriveDeadLetter({ letterId: poison?.letterId ?? "", ...by });
  await lettersIn(operating, RESOLVED, 1);
  expect((await probe.effects()).map(({ label }) => label)).toEqual(["poison"]);
});

test("a discarded event never takes effect, and its key goes on without it", async () => {
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "poison" }, { key: "a", label: "behind" });
  const [poison] = await lettersIn(operating, OPEN, 2);
  const letterId = poison?.letterId ?? "";
  const { deadLetter } = await operating.client.discardDeadLetter({ letterId, ...by });
  expect(deadLetter?.state).toBe(DISCARDED);
  await lettersIn(operating, RESOLVED, 1);
  expect((await probe.effects()).map(({ label }) => label)).toEqual(["behind"]);
  await probe.send({ key: "a", label: "later" });
  await eventually(async () => expect((await probe.effects()).map(({ label }) => label)).toEqual(["behind", "later"]));
  expect(await refusal(operating.client.redriveDeadLetter({ letterId, ...by }))).toMatchObject({ reason: "LETTER_DISCARDED" });
});

test("an event that failed and was published twice has one letter", async () => {
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  const id = newId("evt");
  const event = { subject, payload: productBytes("a", "poison"), headers: attributes(id) };
  await world.publish(event);
  await lettersIn(operating, OPEN, 1);
  await world.publish(event);
  await probe.send({ key: "a", label: "behind" });
  const letters = await lettersIn(operating, OPEN, 2);
  expect(letters.map(({ eventId, failures }) => ({ eventId: eventId === id, failures }))).toEqual([
    { eventId: true, failures: 1 },
    { eventId: false, failures: 1 },
  ]);
});
