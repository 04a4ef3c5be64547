// An order that is ready and has lost its stock or its money: whether its parcel still can be stopped is known to shipping alone.
import { ConnectError } from "@connectrpc/connect";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { whyToStop } from "../domain/facts.ts";
import { stopParcelKind } from "../store/audit.ts";
import { readStatuses } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";

type Outcome = "stopped" | "has_left" | "not_wanted";

/**
 * The ShipmentStopped that comes of it cancels the order; of a parcel that has left its own event tells. Where shipping cannot be asked
 * nothing is known, and it is asked again: to stop a parcel twice changes nothing.
 */
export function stoppingParcels({ db, client, log }: Pick<ServiceRuntime<OrdersTables>, "db" | "client" | "log">): DueWork {
  const shipping = client(ShippingService);

  const stop = async (orderId: string, reason: string): Promise<Outcome> => {
    try {
      await shipping.stopShipment({ orderId, reason });
      return "stopped";
    } catch (error) {
      if (error instanceof ConnectError && reasonOf(error) === "ALREADY_DISPATCHED") return "has_left";
      throw error;
    }
  };

  return dueWork<OrdersTables, Outcome>({
    kind: stopParcelKind,
    prepare: async ({ tenant, key: orderId }) => {
      const statuses = await readStatuses(db, { tenant, orderId });
      const refusal = statuses && whyToStop(statuses);
      // What was lost may have come back meanwhile.
      return refusal ? stop(orderId, `${refusal.reason}: ${refusal.words}`) : "not_wanted";
    },
    apply: (_tx, items) => {
      for (const { item, prepared: outcome } of items) log.warn({ orderId: item.key, outcome }, "refused_when_ready");
      return Promise.resolve();
    },
  });
}
