// The sweeper: brings to its end what the auditor has found stranded, once its order's owner has been asked again.
import { ConnectError } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import { inServiceContext } from "#runtime/service-context.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import type { OrderBooks } from "../domain/audit-orders.ts";
import { decideSweep, sweepableChecks, sweepDelayMs, type SweepActionName, type SweepableCheck } from "../domain/sweep.ts";
import { forgetSweeps, readSweepItems, saveSweeps, type Sweep, type SweepItem } from "../store/audit/sweeps.ts";
import type { OperationsTables } from "../store/tables.ts";
import { booksReader, type BooksReader } from "./audit-books.ts";
import type { AuditSettings } from "./audit-settings.ts";

/** Few a round: each is a call, and what is stranded is rare. */
const itemsMax = 50;
const keptMs = 30 * 86_400_000;
const forgetEveryMs = 3_600_000;
const forgetRowsMax = 1_000;

type Runtime = ServiceRuntime<OperationsTables>;
type Act = (action: SweepActionName, request: { orderId: string; reason: string }) => Promise<unknown>;

export function sweeperTask(runtime: Runtime, settings: AuditSettings): BackgroundTask {
  const books = booksReader(runtime);
  const act = actions(runtime);
  return {
    name: "sweeper",
    run: async (_bus, lease, signal) => {
      const pause = createWakeUp();
      let forgetAfterMs = 0;
      while (!signal.aborted) {
        await sweepOnce({ runtime, books, act }, lease, signal);
        if (performance.now() >= forgetAfterMs) {
          forgetAfterMs = performance.now() + forgetEveryMs;
          await forgetOld(runtime, lease);
        }
        await pause.wait(settings.everyMs, signal);
      }
    },
  };
}

interface Sweeping {
  runtime: Runtime;
  books: BooksReader;
  act: Act;
}

async function sweepOnce(sweeping: Sweeping, lease: Lease, signal: AbortSignal): Promise<void> {
  const { runtime } = sweeping;
  const items = await readSweepItems(runtime.db, { checks: sweepableChecks, now: runtime.clock.now(), rowsMax: itemsMax });
  for (const [tenant, own] of Map.groupBy(items, (item) => item.tenant)) {
    await inServiceContext(tenant, () => sweepTenant(sweeping, own, { lease, signal }));
  }
}

/** In the context of the tenant whose findings they are. */
async function sweepTenant(
  sweeping: Sweeping,
  items: readonly SweepItem[],
  { lease, signal }: { lease: Lease; signal: AbortSignal },
): Promise<void> {
  const { runtime, books } = sweeping;
  const orders = await books.orders(items.map(({ key }) => key)).catch((error: unknown) => {
    if (error instanceof ConnectError) return undefined;
    throw error;
  });
  // Without the word of the orders' owner nothing is given back.
  if (!orders) return;
  for (const item of items) {
    if (signal.aborted) return;
    const swept = await mend(sweeping, item, orders.get(item.key));
    if (!swept) continue;
    await runtime.transaction(async (tx: Transaction<OperationsTables>) => {
      await holdLease(tx, lease);
      await saveSweeps(tx, [swept]);
    });
  }
}

/** Undefined where there is nothing to mend any more. A repeat after a crash changes nothing: the calls are idempotent. */
async function mend({ runtime, act }: Sweeping, item: SweepItem, order: OrderBooks | undefined): Promise<Sweep | undefined> {
  const decision = decideSweep(item.check as SweepableCheck, order?.state);
  if (decision.kind === "leave") return undefined;
  const { action, reason } = decision;
  const problem = await act(action, { orderId: item.key, reason }).then(
    () => "",
    (error: unknown) => {
      if (!(error instanceof ConnectError)) throw error;
      return [reasonOf(error), error.rawMessage].filter(Boolean).join(": ");
    },
  );
  const time = runtime.clock.now();
  const nextTime = new Date(time.getTime() + sweepDelayMs(item.attempts + 1));
  const { violationId, tenant } = item;
  const fields = { tenant, action, orderId: item.key, reason, attempt: item.attempts + 1 };
  if (problem === "") runtime.log.info(fields, "swept");
  else runtime.log.warn({ ...fields, problem }, "sweep_failed");
  return { violationId, tenant, action, orderId: item.key, reason, problem, time, nextTime };
}

function actions({ client }: Pick<Runtime, "client">): Act {
  const inventory = client(InventoryAuditService);
  const payments = client(PaymentsAuditService);
  const orders = client(OrdersAuditService);
  const shipping = client(ShippingAuditService);
  return (action, request) => {
    switch (action) {
      case "RELEASE_HOLD":
        return inventory.releaseReservation(request);
      case "UNDO_PAYMENT":
        return payments.undoPayment(request);
      case "RESUME_ORDER":
        return orders.resumeOrder(request);
      case "RESUME_SHIPMENT":
        return shipping.resumeShipment(request);
    }
  };
}

async function forgetOld(runtime: Runtime, lease: Lease): Promise<void> {
  const before = new Date(runtime.clock.now().getTime() - keptMs);
  await runtime.transaction(async (tx: Transaction<OperationsTables>) => {
    await holdLease(tx, lease);
    await forgetSweeps(tx, { before, rowsMax: forgetRowsMax });
  });
}
