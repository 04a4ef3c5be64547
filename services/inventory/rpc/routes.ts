// What inventory offers to callers.
import type { ConnectRouter } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationChangesService } from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { shortagesOf, sumPerSku } from "../domain/stock.ts";
import { readMovements } from "../store/movements.ts";
import { readReservation } from "../store/reservations.ts";
import { readAvailable, readStock } from "../store/stock.ts";
import type { InventoryTables } from "../store/tables.ts";
import { stockAdjuster, type AdjustDeps } from "./adjust-stock.ts";
import { auditMethods } from "./audit.ts";
import { movementMessage, reservationMessage, reservationNotFound, skuNotFound, stockMessage } from "./messages.ts";
import { changeReserver } from "./reserve-change.ts";
import { listReports } from "./reports.ts";
import type { ReleaseDeps } from "./release-reservation.ts";

export function inventoryRoutes(
  deps: AdjustDeps & ReleaseDeps & { db: Kysely<InventoryTables> },
): (router: ConnectRouter) => void {
  const { db } = deps;
  const adjustStock = stockAdjuster(deps);

  return (router) => {
    router.service(InventoryAuditService, auditMethods(deps));
    router.service(ReservationChangesService, { reserveChange: changeReserver(deps) });
    router.service(InventoryService, {
      async checkAvailability({ items }) {
        const wanted = sumPerSku(items.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })));
        const available = await readAvailable(db, { tenant: currentRequest().tenant, skus: wanted.map(({ sku }) => sku) });
        const shortages = shortagesOf(wanted, (sku) => available.get(sku));
        return {
          available: shortages.length === 0,
          shortages: shortages.map(({ sku, ...units }) => ({
            sku,
            requested: BigInt(units.requested),
            available: BigInt(units.available),
          })),
        };
      },

      async batchGetAvailability({ skus }) {
        const available = await readAvailable(db, { tenant: currentRequest().tenant, skus });
        return { availabilities: [...available].map(([sku, units]) => ({ sku, available: BigInt(units) })) };
      },

      async getStock({ sku }) {
        const stock = await readStock(db, { tenant: currentRequest().tenant, sku });
        if (!stock) throw skuNotFound(sku);
        return { stock: stockMessage(stock) };
      },

      listInventoryReports: (request) => listReports(db, request),

      async listStockMovements({ sku, pageSize, pageToken }) {
        const { tenant } = currentRequest();
        const rowsWanted = pageSizeOf(pageSize);
        // One row more than a page tells whether there is another.
        const rows = await readMovements(db, { tenant, sku, before: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
        if (rows.length === 0 && !(await readStock(db, { tenant, sku }))) throw skuNotFound(sku);
        const page = cutPage(rows, rowsWanted, ({ movementId }) => movementId);
        return { movements: page.rows.map(movementMessage), nextPageToken: page.nextPageToken };
      },

      adjustStock,

      async getReservation({ orderId }) {
        const reservation = await readReservation(db, { tenant: currentRequest().tenant, orderId });
        if (!reservation) throw reservationNotFound(orderId);
        return { reservation: reservationMessage(reservation) };
      },
    });
  };
}
