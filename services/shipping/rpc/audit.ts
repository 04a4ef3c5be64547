// Shipping's own audit: where parcels stand, what they wait for, and bringing on one that waits for nothing.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { DiscrepancySchema, type Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import {
  ShipmentEntrySchema,
  type ParcelEntrySchema,
  type ShippingAuditService,
} from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { cutPage, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Carriers } from "../carrier/contract.ts";
import { auditShipment, nextStep, type Finding, type MovesByClock, type Progress } from "../domain/audit.ts";
import { insertResumption, readProgressOf, readUnderWay, type ParcelPlace } from "../store/audit.ts";
import { planNow, stepKinds } from "../store/outbox.ts";
import { shipmentNotFound } from "./shipment-message.ts";
import { keyOf, lockParcels, type Tables } from "../store/shipments.ts";

const pageSizeDefault = 1_000;

export function auditMethods(runtime: ServiceRuntime<Tables>, carriers: Carriers): ServiceImpl<typeof ShippingAuditService> {
  const movesByClock = (name: string): boolean => carriers.named(name)?.pace !== undefined;
  const { db, clock, log } = runtime;
  return {
    auditShipments: async ({ pageSize, pageToken }) => {
      const { tenant } = currentRequest();
      const rowsMax = pageSize || pageSizeDefault;
      const after = placeOf(readPageToken(pageToken) ?? "");
      const found = await readUnderWay(db, { tenant, after, rowsMax: rowsMax + 1 });
      const { rows, nextPageToken } = cutPage(found, rowsMax, ({ orderId, parcel }) => `${orderId}.${parcel}`);
      const findings = rows.flatMap((progress) => auditShipment(progress, movesByClock) ?? []);
      return { rowsChecked: BigInt(rows.length), discrepancies: findings.map(discrepancy), nextPageToken };
    },

    auditOrderShipments: async ({ orderIds }) => {
      const found = await readProgressOf(db, { tenant: currentRequest().tenant, orderIds });
      return { shipments: [...Map.groupBy(found, ({ orderId }) => orderId).values()].flatMap(shipmentEntries) };
    },

    resumeShipment: async ({ orderId, reason }) => {
      const { tenant } = currentRequest();
      const { parcels, resumed } = await runtime.transaction((tx) =>
        resume(tx, { tenant, orderId, reason, now: clock.now() }, movesByClock),
      );
      for (const { shipmentId, state } of resumed) log.warn({ orderId, shipmentId, state }, "shipment_resumed_by_hand");
      const [shipment] = shipmentEntries(parcels);
      return shipment ? { shipment } : {};
    },
  };
}

/** After all parcels of the order where a token has none: then it is from before there were several. */
function placeOf(token: string): ParcelPlace {
  const [orderId = "", parcel] = token.split(".");
  return { orderId, parcel: Number(parcel ?? 0) || 1 };
}

/**
 * Whoever takes a step of the parcel holds the parcel's lock while it plans the next one, so under that lock a plan that
 * cannot be seen is not on its way either. A plan that is seen is left alone: its work may wait for this very lock.
 */
async function resume(
  tx: Transaction<Tables>,
  wish: { tenant: string; orderId: string; reason: string; now: Date },
  movesByClock: MovesByClock,
): Promise<{ parcels: Progress[]; resumed: Progress[] }> {
  const { tenant, orderId, reason, now } = wish;
  const shipments = (await lockParcels(tx, [{ tenant, orderId }])).get(keyOf({ tenant, orderId })) ?? [];
  if (shipments.length === 0) throw shipmentNotFound(orderId);
  const resumed: Progress[] = [];
  const parcels: Progress[] = [];
  for (const before of await readProgressOf(tx, { tenant, orderIds: [orderId] })) {
    const shipment = shipments.find(({ parcel }) => parcel === before.parcel);
    const step = nextStep(before, movesByClock);
    const isToPlan = shipment && step && !before.nextStepTime;
    const progress = isToPlan ? { ...before, nextStepTime: now } : before;
    parcels.push(progress);
    if (!isToPlan) continue;
    resumed.push(progress);
    const kind = stepKinds[step];
    await planNow(tx, { shipment, cause: requestCause() }, kind);
    const { parcel } = before;
    await insertResumption(tx, { tenant, orderId, parcel, kind, reason, requestId: currentRequest().requestId }, now);
    const side = (one: Progress) => shown(ShipmentEntrySchema, shipmentEntry(one));
    await recordChange(tx, { resource: { kind: "shipment", id: orderId }, before: side(before), after: side(progress) });
  }
  return { parcels, resumed };
}

/** The order's first parcel, with where all of them stand. */
function shipmentEntries(parcels: readonly Progress[]): MessageInitShape<typeof ShipmentEntrySchema>[] {
  const standings = parcels.map(({ shipmentId, state, units }) => ({
    shipmentId,
    state: ShipmentState[state],
    units: BigInt(units),
  }));
  return parcels.slice(0, 1).map((first) => shipmentEntry(first, standings));
}

function shipmentEntry(
  { orderId, state, updateTime, nextStepTime, heldBy }: Progress,
  parcels: MessageInitShape<typeof ParcelEntrySchema>[] = [],
): MessageInitShape<typeof ShipmentEntrySchema> {
  return {
    orderId,
    parcels,
    state: ShipmentState[state],
    updateTime: timestampFromDate(updateTime),
    ...(nextStepTime && { nextStepTime: timestampFromDate(nextStepTime) }),
    heldByChangeId: heldBy ?? "",
  };
}

const discrepancy = (finding: Finding): Discrepancy => create(DiscrepancySchema, finding);
