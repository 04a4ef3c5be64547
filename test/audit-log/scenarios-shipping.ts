// The same for what operators do about parcels.
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { BookingsService } from "#gen/ordermesh/shipping/v1/bookings_service_pb.ts";
import { ParcelsService } from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import { PicksService } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { RatesService } from "#gen/ordermesh/shipping/v1/rates_service_pb.ts";
import { shipping } from "../../services/shipping/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const nordics = { zone: "nordics", countryCodes: ["SE", "NO"] };
const rate = {
  zone: "nordics",
  currencyCode: "EUR",
  method: "EXPRESS",
  baseMinorUnits: 900n,
  unitMinorUnits: 10n,
  maxMinorUnits: 2_000n,
  steps: [{ fromGrams: 0n, minorUnits: 300n }],
};
const rateId = "nordics.EUR.EXPRESS";

async function ratesWorld() {
  const world = worldOf(await serviceFixture(shipping));
  const rates = world.client(RatesService);
  await rates.putZone({ zone: "nordics", countryCodes: ["SE"] });
  return { world, rates };
}

async function picksWorld() {
  const fixture = await serviceFixture(shipping);
  const world = worldOf(fixture);
  await fixture.deliver(OrderReadySchema, { orderId: "ord_1", lines: [{ sku: "MUG", quantity: 2n }] });
  const picks = world.client(PicksService);
  return { world, claim: async () => (await picks.claimPicks({ worker: "bench-1" })).picks[0]?.orderId, picks };
}

export const shippingScenarios: readonly Scenario[] = [
  {
    method: "ordermesh.shipping.v1.PicksService/ClaimPicks",
    resourceKind: "shipment",
    prepare: async () => {
      const { world, claim } = await picksWorld();
      return { ...world, change: claim };
    },
  },
  {
    method: "ordermesh.shipping.v1.PicksService/PackPick",
    resourceKind: "shipment",
    prepare: async () => {
      const { world, claim, picks } = await picksWorld();
      await claim();
      const pack = async () => (await picks.packPick({ orderId: "ord_1", worker: "bench-1" })).pick?.orderId;
      return { ...world, change: pack };
    },
  },
  {
    method: "ordermesh.shipping.v1.ParcelsService/SplitShipment",
    resourceKind: "shipment",
    prepare: async () => {
      const { world } = await picksWorld();
      const parcels = world.client(ParcelsService);
      const [first] = (await parcels.listShipments({ orderId: "ord_1" })).shipments;
      const lines = [{ sku: "MUG", quantity: 1n }];
      const wish = { shipmentId: first?.shipmentId ?? "", lines, requestId: "split-1" };
      return { ...world, change: async () => (await parcels.splitShipment(wish)).newShipment?.orderId };
    },
  },
  {
    method: "ordermesh.shipping.v1.BookingsService/BookShipment",
    resourceKind: "shipment",
    prepare: async () => {
      const { world } = await picksWorld();
      const [first] = (await world.client(ParcelsService).listShipments({ orderId: "ord_1" })).shipments;
      const wish = { shipmentId: first?.shipmentId ?? "", carrier: "external" };
      return { ...world, change: async () => (await world.client(BookingsService).bookShipment(wish)).shipment?.orderId };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/PutZone",
    resourceKind: "shipping_zone",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      return { ...world, change: async () => (await rates.putZone(nordics)).zone?.zone };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/DeleteZone",
    resourceKind: "shipping_zone",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      const remove = async () => {
        await rates.deleteZone({ zone: "nordics" });
        return "nordics";
      };
      return { ...world, change: remove };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/PutRate",
    resourceKind: "shipping_rate",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      const put = async () => {
        await rates.putRate({ rate });
        return rateId;
      };
      return { ...world, change: put };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/DeleteRate",
    resourceKind: "shipping_rate",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      await rates.putRate({ rate });
      const remove = async () => {
        await rates.deleteRate({ zone: "nordics", currencyCode: "EUR", method: "EXPRESS" });
        return rateId;
      };
      return { ...world, change: remove };
    },
  },
];
