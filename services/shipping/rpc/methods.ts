// Rates, the shipment of an order, its way, and stopping it.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { ShipmentSchema } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import type { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause, type Cause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { isDomestic, quote } from "../domain/rates.ts";
import { stepsOf } from "../domain/parcels.ts";
import { stopAll, type StopAllOutcome } from "../domain/stopping.ts";
import { stopBeforeParcel, type Shipment } from "../domain/shipment.ts";
import { tellOf } from "../store/outbox.ts";
import { findRates, isPrepared } from "../store/rates.ts";
import { getLabel } from "./label.ts";
import { readParcel } from "./read-parcel.ts";
import { methodMessages, shipmentMessage } from "./shipment-message.ts";
import { getTracking } from "./tracking.ts";
import { insertShipments, keyOf, lockParcels, saveSteps, type Tables } from "../store/shipments.ts";

export function shippingMethods(
  runtime: ServiceRuntime<Tables>,
  { shopCountryCode, shipFrom }: { shopCountryCode: string; shipFrom: (tenant: string) => readonly string[] },
): ServiceImpl<typeof ShippingService> {
  const { db, clock } = runtime;
  return {
    quoteRates: async ({ currencyCode, units, countryCode, weightGrams }) => {
      const { tenant } = currentRequest();
      const country = isDomestic(countryCode, shopCountryCode) ? "domestic" : { countryCode };
      const rules = await findRates(db, { tenant, currencyCode, country });
      if (rules.length === 0 && !(await isPrepared(db, tenant))) throw tenantNotReady(tenant);
      return {
        rates: quote(rules, { units: Number(units), weightGrams: Number(weightGrams) }).map(({ method, cost }) => ({
          method: methodMessages[method],
          cost: { currencyCode: cost.currencyCode, minorUnits: BigInt(cost.minorUnits) },
        })),
      };
    },

    getShipment: async (which) => ({ shipment: shipmentMessage(await readParcel(db, which)) }),

    getTracking: (which) => getTracking(db, which),

    getShipmentLabel: (which) => getLabel(db, which, shipFrom),

    stopShipment: async ({ orderId, reason }) => {
      const { tenant } = currentRequest();
      const outcome = await stopOrder(runtime, { tenant, orderId, reason, now: clock.now(), cause: requestCause() });
      if (outcome.kind === "too_late") {
        const { state } = outcome.shipment;
        throw refuse(Code.FailedPrecondition, "ALREADY_DISPATCHED", `the parcel of order ${orderId} has left`, {
          orderId,
          state,
        });
      }
      return { shipment: shipmentMessage(outcome.first) };
    },
  };
}

const tenantNotReady = (tenant: string) =>
  refuse(Code.FailedPrecondition, "TENANT_NOT_READY", `the shop ${tenant} has no rates yet: try again in a moment`, { tenant });

type Stopped =
  | { kind: "stopped" | "stopped_before"; /** Of the order's parcels. */ first: Shipment }
  | Extract<StopAllOutcome, { kind: "too_late" }>;

interface StopWish {
  tenant: string;
  orderId: string;
  reason: string;
  now: Date;
  cause: Cause;
}

/**
 * The relay publishes in the order of transaction numbers. A transaction that loses the race for the order's first row may
 * have taken its number before the winner, and would tell of the stop before the parcel; so it ends, and a new one begins.
 */
async function stopOrder(runtime: ServiceRuntime<Tables>, wish: StopWish): Promise<Stopped> {
  const outcome =
    (await runtime.transaction((tx) => stopOnce(tx, wish))) ?? (await runtime.transaction((tx) => stopOnce(tx, wish)));
  // The winner's row is committed by then, and rows of shipments are never deleted.
  if (!outcome) throw new Error(`the shipment of order ${wish.orderId} is there and is not`);
  return outcome;
}

/** Undefined, with nothing written, where another transaction made the order's first row a moment ago. */
async function stopOnce(tx: Transaction<Tables>, wish: StopWish): Promise<Stopped | undefined> {
  const { tenant, orderId, reason, now, cause } = wish;
  const key = { tenant, orderId };
  // A lock takes a transaction number only once it is had, so whoever held the row before has the lower one.
  const parcels = (await lockParcels(tx, [key])).get(keyOf(key)) ?? [];
  const [first] = parcels;
  if (first) {
    const outcome = stopAll(parcels, { reason, now });
    if (outcome.kind === "too_late") return outcome;
    if (outcome.kind === "stopped_before") return { ...outcome, first };
    const { steps } = outcome;
    const stopped = steps.map(({ shipment }) => shipment);
    for (const each of stopped) {
      const before = parcels.find(({ parcel }) => parcel === each.parcel);
      await recordStop(tx, each, before);
    }
    await saveSteps(tx, stopped);
    await tellOf(
      tx,
      steps.map((step) => ({ ...step, cause })),
      now,
    );
    return { kind: "stopped", first: stopped.find(({ parcel }) => parcel === 1) ?? first };
  }
  // Told also where there is no parcel yet: the caller may be gone before it has heard the answer.
  const place = stopBeforeParcel({ ...key, shipmentId: newId("shp") }, { reason, isTold: true, now });
  const [inserted] = await insertShipments(tx, [place]);
  if (!inserted) return undefined;
  await recordStop(tx, inserted);
  await tellOf(
    tx,
    stepsOf([], [inserted]).map((step) => ({ ...step, cause })),
    now,
  );
  return { kind: "stopped", first: inserted };
}

function recordStop(tx: Transaction<Tables>, after: Shipment, before?: Shipment): Promise<void> {
  const side = (shipment: Shipment) => shown(ShipmentSchema, shipmentMessage(shipment));
  const resource = { kind: "shipment", id: after.orderId };
  return recordChange(tx, { resource, ...(before && { before: side(before) }), after: side(after) });
}
