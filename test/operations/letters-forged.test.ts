import { afterEach, beforeEach, expect, test } from "vitest";
import { DeadLetterSource, DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { until } from "../support/until.ts";
import { lettersIn, lettersOf, lettersWorld, type LettersWorld } from "./letters-world.ts";

let world: LettersWorld;

beforeEach(async () => {
  world = await lettersWorld();
});

afterEach(() => world.close());

const told = {
  type: "io.nats.jetstream.advisory.v1.max_deliver",
  stream: "EVENTS",
  consumer: "probe_p0",
  stream_seq: 1_000,
  deliveries: 20,
  timestamp: "2026-01-01T00:00:00Z",
};

test.each([
  { what: "a stream's name that is none", advisory: { ...told, stream: "no such.stream >" } },
  { what: "an empty stream", advisory: { ...told, stream: "" } },
  { what: "the place 0", advisory: { ...told, stream_seq: 0 } },
  { what: "NUL in the consumer", advisory: { ...told, consumer: "a\0b" } },
  { what: "half a character in the consumer", advisory: { ...told, consumer: "a\ud800" } },
  { what: "the relay as the consumer", advisory: { ...told, consumer: "relay" } },
  { what: "a time before every calendar", advisory: { ...told, timestamp: "-271821-04-20T00:00:00Z" } },
  { what: "no object", advisory: [] },
])("a forged advisory with $what makes no letter and keeps no other from being captured", async ({ advisory }) => {
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  const forged = JSON.stringify(advisory);
  world.connection.publish("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.EVENTS.probe_p0", forged);
  await until(async () => (await world.advisories()).length === 1);
  await probe.send({ key: "a", label: "poison" });
  const [letter] = await lettersIn(operating, DeadLetterState.OPEN, 1);
  expect(letter).toMatchObject({ key: "a", source: DeadLetterSource.ADVISORY });
});

test("a forged number of deliveries is bounded, and what is told of a message that is handled is no letter", async () => {
  const probe = await world.start();
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "fine" });
  await until(async () => (await probe.effects()).length === 1);
  const [stored] = await world.stored();
  const forge = (advisory: object): void =>
    world.connection.publish("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.EVENTS.probe_p0", JSON.stringify(advisory));
  forge({ ...told, stream_seq: stored?.seq, consumer: `probe_p${stored?.subject.split(".")[1]}` });
  forge({ ...told, deliveries: Number.MAX_SAFE_INTEGER });
  const [letter] = await lettersIn(operating, DeadLetterState.OPEN, 1);
  expect(letter).toMatchObject({ attempts: 1_000_000, streamSequence: 1_000n });
  expect(await lettersOf(operating)).toHaveLength(1);
});
