// Many events are published together; what the stream does not take so is published one by one.
import { createClient } from "@connectrpc/connect";
import { jetstreamManager } from "@nats-io/jetstream";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { serviceTransport } from "../support/identity.ts";
import { eventually, until } from "../support/until.ts";
import { labelsOf, probeWorld, type Probe, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

/** Of ten keys, two events each, in turn. */
const events = (round: string) =>
  Array.from({ length: 20 }, (_, index) => ({ key: `key${index % 10}`, label: `${round}${index}` }));

const batchIds = async (): Promise<(string | undefined)[]> =>
  (await world.stored()).map(({ headers }) => headers?.get("Nats-Batch-Id") || undefined);

const hasEffects = (probe: Probe, count: number) => until(async () => (await probe.effects()).length === count);

test("what many wrote at once goes in one batch, in the order of each key; what few wrote does not", async () => {
  const probe = await world.start();
  await probe.send(...events("first"));
  await hasEffects(probe, 20);
  for (let key = 0; key < 10; key += 1) expect(await labelsOf(probe, `key${key}`)).toEqual([`first${key}`, `first${key + 10}`]);
  const ids = await batchIds();
  expect(ids).toHaveLength(20);
  expect(ids[0]).toBeDefined();
  expect(new Set(ids).size).toBe(1);

  await probe.send({ key: "alone", label: "one" }, { key: "alone", label: "other" });
  await hasEffects(probe, 22);
  expect((await batchIds()).slice(20)).toEqual([undefined, undefined]);
});

test("a batch that the stream has already is refused as a whole, and adds nothing", async () => {
  const probe = await world.start();
  await probe.send(...events("first"));
  await hasEffects(probe, 20);
  const transport = serviceTransport(`http://127.0.0.1:${probe.host.rpcPort}`);
  const again = { service: "probe", sinceTime: timestampFromDate(new Date(0)) };
  expect((await createClient(DeliveryService, transport).republishEvents(again)).events).toBe(20n);
  // What is written now comes after what is published again.
  await probe.send({ key: "key0", label: "afterwards" });
  await hasEffects(probe, 21);
  expect(await batchIds()).toHaveLength(21);
  expect(await labelsOf(probe, "key0")).toEqual(["first0", "first10", "afterwards"]);
});

test("an event that is too large is set aside with the later ones of its key; the others of its batch arrive", async () => {
  const probe = await world.start();
  const manager = await jetstreamManager(world.connection);
  await manager.streams.update("EVENTS", { max_msg_size: 5_000 });
  const large = { key: "key3", label: "x".repeat(6_000) };
  await probe.send(large, ...events("after"));
  await hasEffects(probe, 18);
  expect(await labelsOf(probe, "key3")).toEqual([]);
  expect(await labelsOf(probe, "key4")).toEqual(["after4", "after14"]);
  const unsent = async () =>
    (await sql<{ key: string; code: string }>`select key, code from unsent_event order by outbox_id`.execute(probe.runtime.db))
      .rows;
  // Written down once the others are published.
  await eventually(async () =>
    expect(await unsent()).toEqual([
      { key: "key3", code: "PAYLOAD_TOO_LARGE" },
      { key: "key3", code: "KEY_UNSENT" },
      { key: "key3", code: "KEY_UNSENT" },
    ]),
  );
});
