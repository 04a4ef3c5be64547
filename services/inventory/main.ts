// Inventory: what is there, what is held, and for whom.
import { file_ordermesh_inventory_events_v1_inventory_events } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationChangesService } from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { waveMs } from "#runtime/waves.ts";
import { numberSetting, textSetting } from "#runtime/settings.ts";
import { inventoryHears } from "./consumers/hears.ts";
import { factSettler } from "./consumers/settle-facts.ts";
import { holdExpiry, reporting } from "./due.ts";
import { orderStandings } from "./provider/order-standing.ts";
import { inventoryRoutes } from "./rpc/routes.ts";
import { stockHistory } from "./store/history.ts";
import type { InventoryTables } from "./store/tables.ts";

export const inventory: ServiceDefinition<InventoryTables> = {
  name: "inventory",
  services: [InventoryService, ReservationChangesService, InventoryAuditService],
  emits: [file_ordermesh_inventory_events_v1_inventory_events],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => {
    const { clock, log, env } = runtime;
    const lowStockThreshold = numberSetting(env, "ORDERMESH_LOW_STOCK_THRESHOLD", { fallback: 5, min: 0, max: 1_000_000 });
    const holdGraceSeconds = numberSetting(env, "ORDERMESH_HOLD_GRACE_SECONDS", { fallback: 60, min: 0, max: 86_400 });
    const report = {
      cron: textSetting(env, "ORDERMESH_INVENTORY_REPORT_CRON", "0 2 * * *"),
      timeZone: textSetting(env, "ORDERMESH_INVENTORY_REPORT_TIME_ZONE", "UTC"),
    };
    const settleFacts = factSettler({ clock, log, holdGraceMs: holdGraceSeconds * 1_000 });
    return {
      routes: inventoryRoutes({ ...runtime, settleFacts }),
      hears: inventoryHears({ settleFacts, clock, lowStockThreshold }),
      gatherEventsMs: waveMs,
      dueWork: [holdExpiry({ settleFacts, askStanding: orderStandings(runtime) })],
      jobs: [reporting(report)],
      history: stockHistory(runtime.db),
    };
  },
};
