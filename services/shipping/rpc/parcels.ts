// ParcelsService: an order that leaves in several parcels.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import {
  SplitShipmentRequestSchema,
  SplitShipmentResponseSchema,
  type ParcelsService,
  type SplitShipmentRequest,
} from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { crashPoint } from "#runtime/faults.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Carriers } from "../carrier/contract.ts";
import { split, stepsOf } from "../domain/parcels.ts";
import type { Shipment } from "../domain/shipment.ts";
import { rebook } from "../store/bookings.ts";
import { readHeld, saveContents } from "../store/holds.ts";
import { planStep, tellOf } from "../store/outbox.ts";
import { findOrdersOf, findParcels, insertShipments, keyOf, lockParcels, type Tables } from "../store/shipments.ts";
import { shipmentMessage, shipmentNotFound } from "./shipment-message.ts";

export function parcelsMethods(runtime: ServiceRuntime<Tables>, carriers: Carriers): ServiceImpl<typeof ParcelsService> {
  const { db, clock, transaction } = runtime;
  return {
    listShipments: async ({ orderId }) => {
      const parcels = await findParcels(db, { tenant: currentRequest().tenant, orderId });
      if (parcels.length === 0) throw shipmentNotFound(orderId);
      return { shipments: parcels.map(shipmentMessage) };
    },

    splitShipment: async (request) => {
      const { rest, made } = await transaction(async (tx) => {
        const both = await splitOnce(tx, request, { carriers, now: clock.now() });
        crashPoint("shipping.split", "before_commit");
        return both;
      });
      crashPoint("shipping.split", "after_commit");
      return { shipment: shipmentMessage(rest), newShipment: shipmentMessage(made) };
    },
  };
}

/** The parcels of the order are locked, so that neither leaves meanwhile, and nobody else splits them. */
async function splitOnce(
  tx: Transaction<Tables>,
  request: SplitShipmentRequest,
  { carriers, now }: { carriers: Carriers; now: Date },
): Promise<{ rest: Shipment; made: Shipment }> {
  const { tenant } = currentRequest();
  const { shipmentId, requestId } = request;
  const [key] = await findOrdersOf(tx, [{ tenant, shipmentId }]);
  const parcels = key && (await lockParcels(tx, [key])).get(keyOf(key));
  const before = parcels?.find((parcel) => parcel.shipmentId === shipmentId);
  if (!parcels || !before) {
    throw refuse(Code.NotFound, "SHIPMENT_NOT_FOUND", `there is no shipment ${shipmentId}`, { shipmentId });
  }
  const lines = request.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }));
  const carrier = carriers.named(before.carrier) ?? carriers.forMethod(before.method ?? "STANDARD");
  const outcome = split(
    parcels,
    { shipmentId, lines, requestId, requestHash: hashOf(request) },
    {
      isHeld: (await readHeld(tx, [key])).size > 0,
      shipmentId: newId("shp"),
      carrier,
      now,
    },
  );
  if (outcome.kind === "repeated") return outcome;
  if (outcome.kind === "refused") {
    const code = outcome.reason === "REQUEST_ID_REUSED" ? Code.AlreadyExists : Code.FailedPrecondition;
    throw refuse(code, outcome.reason, outcome.message, { shipmentId });
  }
  await saveSplit(tx, { before, parcels, ...outcome }, { carriers, now });
  return outcome;
}

async function saveSplit(
  tx: Transaction<Tables>,
  { before, parcels, rest, made }: { before: Shipment; parcels: readonly Shipment[]; rest: Shipment; made: Shipment },
  { carriers, now }: { carriers: Carriers; now: Date },
): Promise<void> {
  await saveContents(tx, [rest]);
  await insertShipments(tx, [made]);
  const cause = requestCause();
  await rebook(
    tx,
    [
      { before, after: rest, cause },
      { after: made, cause },
    ],
    now,
  );
  await recordChange(tx, {
    resource: { kind: "shipment", id: before.orderId },
    before: shown(SplitShipmentResponseSchema, { shipment: shipmentMessage(before) }),
    after: shown(SplitShipmentResponseSchema, { shipment: shipmentMessage(rest), newShipment: shipmentMessage(made) }),
  });
  const others = parcels.map((each) => (each.parcel === rest.parcel ? rest : each));
  const steps = stepsOf(others, [made]).map((step) => ({ ...step, cause }));
  await planStep(tx, steps, { step: "dispatch", paceOf: (name) => carriers.named(name)?.pace });
  await tellOf(tx, steps, now);
}

/** The same request always has the same bytes: fields in order, no maps. */
const hashOf = (request: SplitShipmentRequest): Buffer =>
  createHash("sha256").update(toBinary(SplitShipmentRequestSchema, request)).digest();
