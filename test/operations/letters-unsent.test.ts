import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeadLetterSource, DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { eventually } from "../support/until.ts";
import { by, lettersIn, lettersOf, lettersWorld, type LettersWorld } from "./letters-world.ts";

const { OPEN, RESOLVED, DISCARDED } = DeadLetterState;

let world: LettersWorld;

beforeEach(async () => {
  world = await lettersWorld();
});

afterEach(() => world.close());

const limitMessages = async (bytes: number): Promise<void> => {
  await (await jetstreamManager(world.connection)).streams.update("EVENTS", { max_msg_size: bytes });
};

test("an event that cannot be sent is a letter of the relay, stays one while that is so, and goes out when it may", async () => {
  const probe = await world.start();
  const operating = await world.operate(probe);
  await limitMessages(2_000);
  await probe.send({ key: "a", label: "x".repeat(3_000), sequence: 1 }, { key: "a", label: "behind", sequence: 2 });
  const letters = await lettersIn(operating, OPEN, 2);
  const [large, behind] = letters.toSorted((one, other) => other.code.localeCompare(one.code));
  expect(large).toMatchObject({ consumer: "relay", service: "probe", code: "PAYLOAD_TOO_LARGE", source: DeadLetterSource.RELAY });
  expect(behind).toMatchObject({ code: "KEY_UNSENT", waitsBehind: large?.letterId });
  const asked = { letterId: large?.letterId ?? "", ...by };
  await operating.client.redriveDeadLetter(asked);
  await eventually(async () => {
    const { deadLetter } = await operating.client.getDeadLetter(asked);
    expect(deadLetter).toMatchObject({ state: OPEN, failures: 2 });
  });
  await limitMessages(-1);
  await operating.client.redriveDeadLetter(asked);
  await lettersIn(operating, RESOLVED, 2);
  await eventually(async () => expect((await probe.effects()).map(({ label }) => label)).toEqual(["x".repeat(3_000), "behind"]));
});

test("an event that cannot be sent and is discarded lets its key go on", async () => {
  const probe = await world.start();
  const operating = await world.operate(probe);
  await limitMessages(2_000);
  await probe.send({ key: "a", label: "x".repeat(3_000), sequence: 1 }, { key: "a", label: "behind", sequence: 2 });
  const letters = await lettersIn(operating, OPEN, 2);
  const large = letters.find(({ code }) => code === "PAYLOAD_TOO_LARGE");
  await operating.client.discardDeadLetter({ letterId: large?.letterId ?? "", ...by });
  await lettersIn(operating, RESOLVED, 1);
  expect((await lettersOf(operating)).filter(({ state }) => state === DISCARDED)).toHaveLength(1);
  await eventually(async () => expect((await probe.effects()).map(({ label }) => label)).toEqual(["behind"]));
});
