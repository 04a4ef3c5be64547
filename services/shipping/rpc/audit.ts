// Shipping's own audit: where parcels stand, what they wait for, and bringing on one that waits for nothing.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { DiscrepancySchema, type Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShipmentEntrySchema, type ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { cutPage, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Carriers } from "../carrier/contract.ts";
import { auditShipment, nextStep, type Finding, type MovesByClock, type Progress } from "../domain/audit.ts";
import { insertResumption, readProgressOf, readUnderWay } from "../store/audit.ts";
import { planNow, stepKinds } from "../store/outbox.ts";
import { shipmentNotFound } from "./shipment-message.ts";
import { keyOf, lockShipments, type Tables } from "../store/shipments.ts";

const pageSizeDefault = 1_000;

export function auditMethods(runtime: ServiceRuntime<Tables>, carriers: Carriers): ServiceImpl<typeof ShippingAuditService> {
  const movesByClock = (name: string): boolean => carriers.named(name)?.pace !== undefined;
  const { db, clock, log } = runtime;
  return {
    auditShipments: async ({ pageSize, pageToken }) => {
      const { tenant } = currentRequest();
      const rowsMax = pageSize || pageSizeDefault;
      const after = readPageToken(pageToken) ?? "";
      const found = await readUnderWay(db, { tenant, after, rowsMax: rowsMax + 1 });
      const { rows, nextPageToken } = cutPage(found, rowsMax, ({ orderId }) => orderId);
      const findings = rows.flatMap((progress) => auditShipment(progress, movesByClock) ?? []);
      return { rowsChecked: BigInt(rows.length), discrepancies: findings.map(discrepancy), nextPageToken };
    },

    auditOrderShipments: async ({ orderIds }) => {
      const found = await readProgressOf(db, { tenant: currentRequest().tenant, orderIds });
      return { shipments: found.map(shipmentEntry) };
    },

    resumeShipment: async ({ orderId, reason }) => {
      const { tenant } = currentRequest();
      const { progress, isPlanned } = await runtime.transaction((tx) =>
        resume(tx, { tenant, orderId, reason, now: clock.now() }, movesByClock),
      );
      if (isPlanned) log.warn({ orderId, state: progress.state }, "shipment_resumed_by_hand");
      return { shipment: shipmentEntry(progress) };
    },
  };
}

/**
 * Whoever takes a step of the parcel holds the parcel's lock while it plans the next one, so under that lock a plan that
 * cannot be seen is not on its way either. A plan that is seen is left alone: its work may wait for this very lock.
 */
async function resume(
  tx: Transaction<Tables>,
  wish: { tenant: string; orderId: string; reason: string; now: Date },
  movesByClock: MovesByClock,
): Promise<{ progress: Progress; isPlanned: boolean }> {
  const { tenant, orderId, reason, now } = wish;
  const shipment = (await lockShipments(tx, [{ tenant, orderId }])).get(keyOf({ tenant, orderId }));
  const [before] = await readProgressOf(tx, { tenant, orderIds: [orderId] });
  if (!shipment || !before) throw shipmentNotFound(orderId);
  const step = nextStep(before, movesByClock);
  if (!step || before.nextStepTime) return { progress: before, isPlanned: false };
  const kind = stepKinds[step];
  await planNow(tx, { shipment, cause: requestCause() }, kind);
  await insertResumption(tx, { tenant, orderId, kind, reason, requestId: currentRequest().requestId }, now);
  const progress = { ...before, nextStepTime: now };
  const side = (one: Progress) => shown(ShipmentEntrySchema, shipmentEntry(one));
  await recordChange(tx, { resource: { kind: "shipment", id: orderId }, before: side(before), after: side(progress) });
  return { progress, isPlanned: true };
}

function shipmentEntry({
  orderId,
  state,
  updateTime,
  nextStepTime,
  heldBy,
}: Progress): MessageInitShape<typeof ShipmentEntrySchema> {
  return {
    orderId,
    state: ShipmentState[state],
    updateTime: timestampFromDate(updateTime),
    ...(nextStepTime && { nextStepTime: timestampFromDate(nextStepTime) }),
    heldByChangeId: heldBy ?? "",
  };
}

const discrepancy = (finding: Finding): Discrepancy => create(DiscrepancySchema, finding);
