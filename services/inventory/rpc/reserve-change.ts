// ReserveChange: holds what a change adds to an order, once for each change.
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { PreconditionFailureSchema } from "#gen/google/rpc/error_details_pb.ts";
import type {
  ReserveChangeRequest,
  ReserveChangeResponseSchema,
} from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { ReservationSchema } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { decide, skusTouched, type Reservation } from "../domain/reservation.ts";
import type { OrderFact } from "../domain/settle.ts";
import { addedTo, availableUnits, shortagesOf, sumPerSku, type Line, type Shortage } from "../domain/stock.ts";
import { beginChange } from "../store/changes.ts";
import { lockReservations } from "../store/reservations.ts";
import { lockStock } from "../store/stock.ts";
import type { InventoryTables } from "../store/tables.ts";
import { reservationMessage } from "./messages.ts";
import type { ReleaseDeps } from "./release-reservation.ts";

export function changeReserver({ transaction, settleFacts, clock }: Pick<ReleaseDeps, "transaction" | "settleFacts" | "clock">) {
  const reserveOnce = async (tx: Transaction<InventoryTables>, request: ReserveChangeRequest): Promise<Reservation> => {
    const { tenant } = currentRequest();
    const { orderId, changeId } = request;
    const lines = sumPerSku(request.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })));
    const fact: OrderFact = { tenant, orderId, change: { kind: "changing", lines }, cause: requestCause() };
    const [before] = await lockReservations(tx, [{ tenant, orderId }]);
    const decision = decide(before, fact.change);
    if (!before || decision.kind !== "hold") {
      throw refuse(Code.FailedPrecondition, "RESERVATION_NOT_HELD", `nothing is held for order ${orderId}`, { orderId });
    }
    const added = addedTo(before.lines, lines);
    const begun = await beginChange(tx, { tenant, orderId, changeId, added }, clock.now());
    if (begun === "repeated") return before;
    if (begun === "ended") {
      throw refuse(Code.FailedPrecondition, "CHANGE_ENDED", `change ${changeId} is over`, { orderId, changeId });
    }
    await refuseShort(tx, added, { tenant, touched: skusTouched(before, fact.change) });
    await settleFacts(tx, [fact]);
    const [after] = await lockReservations(tx, [{ tenant, orderId }]);
    assert(after, `the reservation of ${orderId} is locked and not there`);
    const side = (reservation: Reservation) => shown(ReservationSchema, reservationMessage(reservation));
    await recordChange(tx, { resource: { kind: "reservation", id: orderId }, before: side(before), after: side(after) });
    return after;
  };

  return async (request: ReserveChangeRequest): Promise<MessageInitShape<typeof ReserveChangeResponseSchema>> => ({
    reservation: reservationMessage(await transaction((tx) => reserveOnce(tx, request))),
  });
}

/** The rows of all that is touched stay locked, so what there is enough of stays enough until it is held. */
async function refuseShort(
  tx: Transaction<InventoryTables>,
  added: readonly Line[],
  { tenant, touched }: { tenant: string; touched: readonly string[] },
): Promise<void> {
  const stock = await lockStock(
    tx,
    touched.map((sku) => ({ tenant, sku })),
  );
  const available = new Map(stock.map((one) => [one.sku, availableUnits(one)]));
  const shortages = shortagesOf(added, (sku) => available.get(sku));
  if (shortages.length > 0) throw stockUnavailable(shortages);
}

function stockUnavailable(shortages: readonly Shortage[]): Error {
  const told = shortages.map(({ sku, requested, available }) => ({
    sku,
    words: `${requested} more asked, ${available} available`,
  }));
  const list = told.map(({ sku, words }) => `${sku} (${words})`).join(", ");
  const violations = told.map(({ sku, words }) => ({ type: "STOCK", subject: sku, description: words }));
  const metadata = Object.fromEntries(told.map(({ sku, words }) => [sku, words]));
  return refuse(Code.Aborted, "STOCK_UNAVAILABLE", `not enough stock: ${list}`, metadata, [
    { desc: PreconditionFailureSchema, value: { violations } },
  ]);
}
