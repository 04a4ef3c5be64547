// HoldParcel: the parcel of an order that is being changed stays where it is.
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { HoldParcelRequestSchema, type ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { endHolds, insertHold, type Hold } from "../store/holds.ts";
import { hasLeft } from "../domain/shipment.ts";
import { keyOf, lockParcels, type Tables } from "../store/shipments.ts";

export function parcelHoldsMethods(runtime: ServiceRuntime<Tables>): ServiceImpl<typeof ParcelHoldsService> {
  const { clock, transaction } = runtime;
  return {
    holdParcel: async ({ orderId, changeId }) => {
      const hold: Hold = { tenant: currentRequest().tenant, orderId, changeId };
      // Committed before the parcel is looked at: whoever lets it leave afterwards sees the hold, whoever did so before is seen.
      const held = await transaction(async (tx) => {
        const outcome = await insertHold(tx, hold, clock.now());
        if (outcome === "new") {
          const after = shown(HoldParcelRequestSchema, { orderId, changeId });
          await recordChange(tx, { resource: { kind: "shipment", id: orderId }, after });
        }
        return outcome;
      });
      if (held === "ended") {
        throw refuse(Code.FailedPrecondition, "HOLD_ENDED", `change ${changeId} is over`, { orderId, changeId });
      }
      const tooLate = await transaction(async (tx): Promise<ConnectError | undefined> => {
        const parcels = (await lockParcels(tx, [hold])).get(keyOf(hold)) ?? [];
        const [first, second] = parcels;
        if (!first || (!second && first.state === "CREATED")) return undefined;
        await endHolds(tx, [hold], clock.now());
        if (parcels.some(hasLeft)) return dispatched(orderId);
        return first.state === "STOPPED" ? stopped(orderId) : inParcels(orderId);
      });
      if (tooLate) throw tooLate;
      return { orderId };
    },
  };
}

const stopped = (orderId: string): ConnectError =>
  refuse(Code.FailedPrecondition, "SHIPMENT_STOPPED", `the parcel of order ${orderId} is not to leave`, { orderId });

const dispatched = (orderId: string): ConnectError =>
  refuse(Code.FailedPrecondition, "ALREADY_DISPATCHED", `the parcel of order ${orderId} has left`, { orderId });

const inParcels = (orderId: string): ConnectError => {
  const message = `order ${orderId} leaves in several parcels, and can be changed no more`;
  return refuse(Code.FailedPrecondition, "SHIPMENT_SPLIT", message, { orderId });
};
