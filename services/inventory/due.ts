// The safety net under every hold: of an order that said nothing in time it is asked what became of it. And the nightly reports.
import type { Transaction } from "kysely";
import { dueWork, planDue, type DueWork } from "#runtime/schedule/due-work.ts";
import { job, type Job } from "#runtime/schedule/jobs.ts";
import { holdExpiryKind, type OrderStanding } from "./domain/reservation.ts";
import type { OrderFact } from "./domain/settle.ts";
import { writeReports } from "./store/reports.ts";
import type { InventoryTables } from "./store/tables.ts";

/** An order that is neither ready nor cancelled though its time is over is asked for again after this time. Milliseconds. */
const askAgainMs = 5_000;

/** Orders that cannot be asked for keep what is held for them: the work is tried again. */
export function holdExpiry(deps: {
  settleFacts(tx: Transaction<InventoryTables>, facts: readonly OrderFact[]): Promise<void>;
  askStanding(orderId: string): Promise<OrderStanding>;
}): DueWork {
  return dueWork<InventoryTables, OrderStanding>({
    kind: holdExpiryKind,
    prepare: ({ key }) => deps.askStanding(key),
    apply: async (tx, items) => {
      const facts = items.flatMap(({ item: { tenant, key: orderId, cause }, prepared: order }): OrderFact[] =>
        order === "open" ? [] : [{ tenant, orderId, change: { kind: "hold_expired", order }, cause }],
      );
      if (facts.length > 0) await deps.settleFacts(tx, facts);
      const open = items.filter(({ prepared }) => prepared === "open");
      await planDue(
        tx,
        open.map(({ item: { kind, tenant, key, cause } }) => ({ kind, tenant, key, due: { inMs: askAgainMs }, cause })),
      );
    },
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
