// Inventory's own audit: its books, what it holds for orders, and giving back what nobody will ship.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { DiscrepancySchema, type Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import type { InventoryAuditService, ReservationEntrySchema } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { cutPage, readPageToken, writePageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { auditDeparture, auditSku, type Finding } from "../domain/audit.ts";
import { readBooks, readLiveReservations, readReservationSums, readSkuRange, type ReservationSum } from "../store/audit.ts";
import type { InventoryTables } from "../store/tables.ts";
import { reservationReleaser, type ReleaseDeps } from "./release-reservation.ts";

const pageSizeDefault = 1_000;

export function auditMethods(deps: ReleaseDeps & { db: Kysely<InventoryTables> }): ServiceImpl<typeof InventoryAuditService> {
  const { db } = deps;
  const releaseReservation = reservationReleaser(deps);

  return {
    async auditStock({ pageSize, pageToken }) {
      const { tenant } = currentRequest();
      const rowsMax = pageSize || pageSizeDefault;
      const range = await readSkuRange(db, { tenant, after: readPageToken(pageToken) ?? "", rowsMax });
      const { books, departures } = await readBooks(db, range);
      return {
        rowsChecked: BigInt(books.filter(({ isStocked }) => isStocked).length),
        discrepancies: [...books.flatMap(auditSku), ...departures.map(auditDeparture)].map(discrepancy),
        nextPageToken: range.upTo === undefined ? "" : writePageToken(range.upTo),
      };
    },

    async auditReservations({ orderIds }) {
      const sums = await readReservationSums(db, { tenant: currentRequest().tenant, orderIds });
      return { reservations: sums.map(reservationEntry) };
    },

    async listLiveReservations({ pageSize, pageToken }) {
      const { tenant } = currentRequest();
      const rowsMax = pageSize || pageSizeDefault;
      const after = readPageToken(pageToken) ?? "";
      const found = await readLiveReservations(db, { tenant, after, rowsMax: rowsMax + 1 });
      const { rows, nextPageToken } = cutPage(found, rowsMax, ({ orderId }) => orderId);
      return { reservations: rows.map(reservationEntry), nextPageToken };
    },

    async releaseReservation(request) {
      return { reservation: reservationEntry(await releaseReservation(request)) };
    },
  };
}

function reservationEntry(sum: ReservationSum): MessageInitShape<typeof ReservationEntrySchema> {
  const { orderId, state, updateTime, expireTime, units, returnedUnits } = sum;
  return {
    orderId,
    state: ReservationState[state],
    updateTime: timestampFromDate(updateTime),
    // A time of the past stays in the row of a hold that has ended or become firm.
    ...(state === "HELD" && expireTime && { expireTime: timestampFromDate(expireTime) }),
    units: BigInt(units),
    returnedUnits: BigInt(returnedUnits),
  };
}

function discrepancy({ check, key, message, figures }: Finding): Discrepancy {
  const texts = Object.entries(figures).map(([name, figure]) => [name, String(figure)] as const);
  return create(DiscrepancySchema, { check, key, message, figures: Object.fromEntries(texts) });
}
