// ReceiveCarrierMessage: what a carrier tells is kept once, and moves the parcel where it says so.
import { create } from "@bufbuild/protobuf";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import {
  CarrierMessageOutcome as Outcome,
  ReceiveCarrierMessageResponseSchema,
  type ReceiveCarrierMessageRequest,
  type ReceiveCarrierMessageResponse,
} from "#gen/ordermesh/shipping/v1/shipping_webhook_pb.ts";
import { actFor } from "#runtime/database/scope.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { MessageInvalid, SignatureInvalid, type Carrier, type CarrierMessage, type Carriers } from "../carrier/contract.ts";
import { isCarrierEvent, report, type CarrierEvent } from "../domain/carrier-events.ts";
import { stepsOf } from "../domain/parcels.ts";
import type { Shipment } from "../domain/shipment.ts";
import { trackingOf } from "../domain/tracking.ts";
import { readHeld } from "../store/holds.ts";
import { planStep, tellOf } from "../store/outbox.ts";
import { keyOf, lockParcels, saveSteps, type Tables } from "../store/shipments.ts";
import { findByTrackingNumber, insertTracking } from "../store/tracking.ts";

type Runtime = Pick<ServiceRuntime<Tables>, "system" | "clock" | "log" | "metrics">;
type Known = CarrierMessage & { event: CarrierEvent };

/** The carrier may be faster than we are: for so long after an event it is to ask again for a number that nobody has. */
const unknownAgainMs = 60 * 60 * 1_000;

/** ASKED_AGAIN where the carrier is to send it once more. */
type Ending = "TAKEN" | "REPEATED" | "UNKNOWN_EVENT" | "UNKNOWN_PARCEL" | "ASKED_AGAIN";

export function receiveCarrierMessage(
  runtime: Runtime,
  carriers: Carriers,
): (request: ReceiveCarrierMessageRequest, call: HandlerContext) => Promise<ReceiveCarrierMessageResponse> {
  const counted = runtime.metrics.counter("ordermesh_carrier_messages_total", "Messages of carriers by what became of them", [
    "carrier",
    "outcome",
  ]);
  return async ({ carrier: name, tenant, body }, { requestHeader }) => {
    const carrier = carriers.named(name);
    if (!carrier) throw refuse(Code.NotFound, "CARRIER_UNKNOWN", `no messages of "${name}" are taken here`);
    const message = readMessage(carrier, { tenant, bytes: body?.data ?? new Uint8Array(), headers: requestHeader });
    const outcome = await outcomeOf(runtime, message, { carrier, tenant, carriers });
    counted.inc({ carrier: name, outcome: outcome.toLowerCase() });
    const { id, type } = message;
    runtime.log.info({ carrier: name, tenant, message: id, type, outcome }, "carrier_webhook");
    if (outcome === "ASKED_AGAIN") {
      throw refuse(Code.NotFound, "TRACKING_NUMBER_UNKNOWN", "no parcel has this number yet: send the message again later");
    }
    return create(ReceiveCarrierMessageResponseSchema, { outcome: Outcome[outcome] });
  };
}

function readMessage(carrier: Carrier, message: Parameters<Carrier["readMessage"]>[0]): CarrierMessage {
  try {
    return carrier.readMessage(message);
  } catch (error) {
    if (error instanceof SignatureInvalid) throw refuse(Code.InvalidArgument, "CARRIER_SIGNATURE_INVALID", error.message);
    if (error instanceof MessageInvalid) throw refuse(Code.InvalidArgument, "CARRIER_MESSAGE_INVALID", error.message);
    throw error;
  }
}

interface From {
  carrier: Carrier;
  tenant: string;
  carriers: Carriers;
}

async function outcomeOf(runtime: Runtime, message: CarrierMessage, from: From): Promise<Ending> {
  const { type: event } = message;
  if (!isCarrierEvent(event)) return "UNKNOWN_EVENT";
  const { tenant, carrier } = from;
  // The signature has proved the tenant; the call itself is nobody's.
  const outcome = await runtime.system.transaction(async (tx) => {
    await actFor(tx, tenant);
    const key = await findByTrackingNumber(tx, { tenant, carrier: carrier.name, trackingNumber: message.trackingNumber });
    const parcels = key ? ((await lockParcels(tx, [key])).get(keyOf(key)) ?? []) : [];
    const shipment = parcels.find(({ parcel }) => parcel === key?.parcel);
    return shipment ? take(tx, { shipment, parcels }, { ...message, event }, { runtime, carriers: from.carriers }) : undefined;
  });
  if (outcome) return outcome;
  const ageMs = runtime.clock.now().getTime() - message.time.getTime();
  return ageMs < unknownAgainMs ? "ASKED_AGAIN" : "UNKNOWN_PARCEL";
}

/** The parcels of the order are locked, so messages about them are taken one after the other. */
async function take(
  tx: Transaction<Tables>,
  { shipment, parcels }: { shipment: Shipment; parcels: readonly Shipment[] },
  message: Known,
  { runtime, carriers }: { runtime: Runtime; carriers: Carriers },
): Promise<Ending> {
  const now = runtime.clock.now();
  if (shipment.state === "CREATED" && (await readHeld(tx, [shipment])).size > 0) {
    const message = "the order of this parcel is being changed: send the message again in a moment";
    throw refuse(Code.Unavailable, "SHIPMENT_ON_HOLD", message);
  }
  const [added] = await insertTracking(tx, [trackingOf(shipment, message)], now);
  if (!added) return "REPEATED";
  const steps = report(shipment, { ...message, isOld: added.isOld }, now);
  if (steps === "against") {
    const { tenant, orderId, state } = shipment;
    runtime.log.warn({ tenant, orderId, state, event: message.event }, "carrier_event_against_state");
    return "TAKEN";
  }
  const cause = requestCause();
  // Each step is one more than the one before, and is saved as such.
  for (const step of steps) await saveSteps(tx, [step]);
  const told = stepsOf(parcels, steps).map((step) => ({ ...step, cause }));
  // One that has left and is nowhere yet goes on by its carrier's clock, where that has one.
  const left = told.filter(({ shipment: { state } }) => state === "DISPATCHED" && steps.length === 1);
  await planStep(tx, left, { step: "deliver", paceOf: (name) => carriers.named(name)?.pace });
  await tellOf(tx, told, now);
  return "TAKEN";
}
