// What the other services do before an order is changed: the parcel stays, and what is added is held. Both may be asked again.
import { Code, ConnectError } from "@connectrpc/connect";
import { ReservationChangesService } from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { crashPoint } from "#runtime/faults.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Item } from "../domain/change.ts";
import type { Preparation } from "../domain/change-saga.ts";

export type PrepareChange = (change: { orderId: string; changeId: string; items: readonly Item[] }) => Promise<Preparation>;

/** Throws where a service cannot be asked: then nothing is known, and it must be asked again. */
export function createPreparation(runtime: Pick<ServiceRuntime<never>, "client">): PrepareChange {
  const shipping = runtime.client(ParcelHoldsService);
  const inventory = runtime.client(ReservationChangesService);

  return async ({ orderId, changeId, items }) => {
    try {
      crashPoint("orders.prepare_change", "before_provider");
      // First of all: what is held for other contents is of no use to a parcel that has left.
      await shipping.holdParcel({ orderId, changeId });
      const lines = items.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) }));
      await inventory.reserveChange({ orderId, changeId, lines });
      crashPoint("orders.prepare_change", "after_provider");
      return { kind: "prepared" };
    } catch (error) {
      const refused = refusalOf(error);
      if (refused) return { kind: "refused", ...refused };
      throw error;
    }
  };
}

/** What a service has refused for good, in our words; undefined where it may still say yes. */
function refusalOf(error: unknown): { reason: string; message: string } | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const reason = reasonOf(error);
  switch (reason) {
    case "ALREADY_DISPATCHED":
      return { reason: "ORDER_ALREADY_DISPATCHED", message: "the parcel has left; ask for a return instead" };
    case "SHIPMENT_STOPPED":
      return { reason: "SHIPMENT_STOPPED", message: "the parcel was stopped; the order is about to be cancelled" };
    case "SHIPMENT_SPLIT":
      return { reason: "ORDER_SPLIT", message: "the order leaves in several parcels and can be changed no more" };
    case "STOCK_UNAVAILABLE":
      return { reason, message: error.rawMessage };
    case "RESERVATION_NOT_HELD":
      return { reason: "STOCK_LOST", message: "nothing is held for the order any more; it is about to be cancelled" };
    case undefined:
    default:
      return error.code === Code.InvalidArgument || error.code === Code.OutOfRange
        ? { reason: "CHANGE_IMPOSSIBLE", message: error.rawMessage }
        : undefined;
  }
}
