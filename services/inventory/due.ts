// The safety net under every hold: an order that said nothing in time gives its stock back. And the nightly reports.
import type { Transaction } from "kysely";
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { job, type Job } from "#runtime/schedule/jobs.ts";
import { holdExpiryKind } from "./domain/reservation.ts";
import type { OrderFact } from "./domain/settle.ts";
import { writeReports } from "./store/reports.ts";
import type { InventoryTables } from "./store/tables.ts";

export function holdExpiry(deps: {
  settleFacts(tx: Transaction<InventoryTables>, facts: readonly OrderFact[]): Promise<void>;
}): DueWork {
  return dueWork<InventoryTables>({
    kind: holdExpiryKind,
    apply: (tx, items) =>
      deps.settleFacts(
        tx,
        items.map(({ item }) => ({
          tenant: item.tenant,
          orderId: item.key,
          change: { kind: "hold_expired" },
          cause: item.cause,
        })),
      ),
  });
}

/** What the stock of every shop is, counted up at set times. */
export function reporting(timing: { cron: string; timeZone: string }): Job {
  return job<InventoryTables>({
    name: "inventory.report",
    ...timing,
    run: async (tx) => `reports of ${await writeReports(tx)} shops`,
  });
}
