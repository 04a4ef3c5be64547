// The promises that must hold whatever happens, in whatever order, at the same time.
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import { inventory as definition } from "../main.ts";
import { deliverBatch, order, ordersSaying, product, readBooks, telling, type Inventory, type Told } from "./facts.fixture.ts";

/** Of orders whose holds have lasted their time: a third each. */
const sayings = [OrderState.PENDING_SHIPMENT, OrderState.CANCELLED, undefined];

let inventory: Inventory;
beforeAll(async () => {
  const others = ordersSaying((orderId) => sayings[Number(orderId.split("_").at(-1)) % sayings.length]);
  inventory = await serviceFixture(definition, { others });
});
afterAll(() => inventory.close());

/** mulberry32: the same numbers for the same seed, from 0 to below 1. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const skus = ["MIX-A", "MIX-B", "MIX-C", "MIX-D", "MIX-E"];
const laneCount = 4;
const batchesPerLane = 12;
const ordersPerLane = 40;

/** What one partition's worker would be handed: facts about its own orders, some of them late, early or told twice. */
function randomBatch(lane: number, random: () => number): Told[] {
  const pick = <Item>(from: readonly Item[]): Item => from[Math.floor(random() * from.length)] as Item;
  return Array.from({ length: 1 + Math.floor(random() * 15) }, () => {
    const orderId = `ord_mix${lane}_${Math.floor(random() * ordersPerLane)}`;
    const kind = random();
    if (kind < 0.02) return telling(inventory, ProductCreatedSchema, product({ [pick(skus)]: 50 }));
    if (kind < 0.5) {
      const units = Object.fromEntries([pick(skus), pick(skus)].map((sku) => [sku, 1 + Math.floor(random() * 3)]));
      // A third of the holds is already over.
      const expireTime = new Date(Date.now() + (random() < 0.33 ? -3_600_000 : 3_600_000));
      return telling(inventory, OrderCreatedSchema, order(orderId, units, expireTime));
    }
    if (kind < 0.65) return telling(inventory, OrderReadySchema, { orderId });
    if (kind < 0.8) return telling(inventory, OrderCancelledSchema, { orderId });
    return telling(inventory, ShipmentDispatchedSchema, { orderId });
  });
}

async function adjustByHand(random: () => number): Promise<void> {
  const sku = skus[Math.floor(random() * skus.length)] ?? "";
  const quantity = BigInt(Math.floor(random() * 40) - 20) || 1n;
  await inventory
    .client(InventoryService)
    .adjustStock({ sku, quantity, reason: "count" })
    .catch((error: unknown) => {
      expect(ConnectError.from(error).code).toBe(Code.FailedPrecondition);
    });
}

test.each([1, 20_260_101, 4_711])(
  "the books balance after everything at once, seed %i",
  async (seed) => {
    await inventory.deliver(ProductCreatedSchema, product(Object.fromEntries(skus.map((sku) => [sku, 60]))));
    const lanes = Array.from({ length: laneCount }, async (_, lane) => {
      const random = randomNumbers(seed + lane);
      for (let batch = 0; batch < batchesPerLane; batch += 1) {
        await deliverBatch(inventory, randomBatch(seed * laneCount + lane, random));
        if (random() < 0.5) await adjustByHand(random);
        if (lane === 0 && batch % 4 === 3) await inventory.runDue();
      }
    });
    await Promise.all(lanes);
    await inventory.runDue();

    const books = await readBooks(inventory);
    expect(Object.keys(books)).toEqual(skus);
    for (const [sku, booked] of Object.entries(books)) {
      expect(booked.moved, `movements of ${sku}`).toBe(booked.onHand);
      expect(booked.held, `live holds of ${sku}`).toBe(booked.reserved);
      expect(booked.reserved).toBeLessThanOrEqual(booked.onHand);
    }
  },
  60_000,
);

test("events of one key are numbered from 1 without a gap", async () => {
  const byKey = Map.groupBy(await inventory.sent(), ({ key }) => key);
  expect(byKey.size).toBeGreaterThan(100);
  for (const [key, events] of byKey) {
    const numbers = events.map(({ sequence }) => sequence);
    expect(numbers, `numbers of ${key}`).toEqual(numbers.map((_, index) => index + 1));
  }
});

test("transactions of several handlers that meet on the same SKUs do not block each other", async () => {
  const cross = ["CROSS-A", "CROSS-B"] as const;
  await inventory.deliver(ProductCreatedSchema, product({ "CROSS-A": 1_000, "CROSS-B": 1_000 }));
  const rounds = 10;
  const old = cross.flatMap((sku) =>
    Array.from({ length: rounds }, (_, round) => order(`ord_old_${sku}_${round}`, { [sku]: 1 })),
  );
  await inventory.deliver(OrderCreatedSchema, ...old);
  // One wants A and gives back B, the other wants B and gives back A, at the same moment.
  const lane = async (wanted: string, given: string): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      await deliverBatch(inventory, [
        telling(inventory, OrderCreatedSchema, order(`ord_new_${wanted}_${round}`, { [wanted]: 1 })),
        telling(inventory, OrderCancelledSchema, { orderId: `ord_old_${given}_${round}` }),
      ]);
    }
  };
  await Promise.all([lane("CROSS-A", "CROSS-B"), lane("CROSS-B", "CROSS-A")]);
  const books = await readBooks(inventory);
  expect(cross.map((sku) => books[sku]?.held)).toEqual([rounds, rounds]);
});
