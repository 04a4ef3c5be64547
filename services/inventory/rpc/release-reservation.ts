// ReleaseReservation: the hold of an order that will never be shipped, given back by hand and for good.
import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import type { ReleaseReservationRequest } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationSchema, ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import type { Clock } from "#runtime/clock.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import type { Logger } from "#runtime/log.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { decide } from "../domain/reservation.ts";
import type { OrderFact } from "../domain/settle.ts";
import { readReservationSums, type ReservationSum } from "../store/audit.ts";
import { lockReservations } from "../store/reservations.ts";
import type { InventoryTables } from "../store/tables.ts";
import { insertWithdrawal } from "../store/withdrawals.ts";
import { reservationNotFound } from "./messages.ts";

export interface ReleaseDeps {
  transaction<Result>(work: (tx: Transaction<InventoryTables>) => Promise<Result>): Promise<Result>;
  settleFacts(tx: Transaction<InventoryTables>, facts: readonly OrderFact[]): Promise<void>;
  clock: Clock;
  log: Logger;
}

interface Released {
  reservation: ReservationSum;
  isChanged: boolean;
}

export function reservationReleaser(deps: ReleaseDeps) {
  const { clock, log } = deps;
  const releaseOnce = async (tx: Transaction<InventoryTables>, request: ReleaseReservationRequest): Promise<Released> => {
    const { tenant, requestId } = currentRequest();
    const { orderId, reason } = request;
    // The lock makes one of this and a fact that comes at the same moment the first.
    const [before] = await lockReservations(tx, [{ tenant, orderId }]);
    const fact: OrderFact = { tenant, orderId, change: { kind: "withdrawn" }, cause: requestCause() };
    const decision = decide(before, fact.change);
    if (!before) throw reservationNotFound(orderId);
    if (decision.kind === "refuse") {
      throw refuse(Code.FailedPrecondition, "RESERVATION_SHIPPED", `order ${orderId}: ${decision.message}`, { orderId });
    }
    const isChanged = decision.kind !== "nothing";
    if (isChanged) {
      await deps.settleFacts(tx, [fact]);
      await insertWithdrawal(tx, { tenant, orderId, reason, requestId }, clock.now());
    }
    const [reservation] = await readReservationSums(tx, { tenant, orderIds: [orderId] });
    assert(reservation, `the reservation of ${orderId} is locked and not there`);
    if (isChanged) {
      const resource = { kind: "reservation", id: orderId };
      const side = (state: typeof reservation.state) => shown(ReservationSchema, { state: ReservationState[state] });
      await recordChange(tx, { resource, before: side(before.state), after: side(reservation.state) });
    }
    return { reservation, isChanged };
  };

  return async (request: ReleaseReservationRequest): Promise<ReservationSum> => {
    const { reservation, isChanged } = await deps.transaction((tx) => releaseOnce(tx, request));
    if (isChanged) log.warn({ orderId: request.orderId, units: reservation.units }, "hold_given_back_by_hand");
    return reservation;
  };
}
