// Brings changes of orders to their end: whoever confirms one waits for it, and where that dies or is cut off the due work goes on.
import type { Transaction } from "kysely";
import { appendEvents } from "#runtime/events/outbox.ts";
import type { Cause, OutgoingEvent } from "#runtime/events/outgoing.ts";
import { cancelDue, dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { conclude, needsPreparation, type Conclusion, type Preparation } from "../domain/change-saga.ts";
import { applyChange, orderChanged, orderChangeRefused } from "../events/changed.ts";
import { createPreparation } from "../provider/prepare-change.ts";
import { changeKind } from "../store/audit.ts";
import { endChange, readAskedTotals, readUnderWay, type ChangeRow } from "../store/order-changes.ts";
import { keyOf, lockOrders, saveOrders, type LockedOrder, type OrderKey } from "../store/progress.ts";
import { readOrder } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";

type Runtime = Pick<ServiceRuntime<OrdersTables>, "db" | "transaction" | "client" | "clock" | "log">;

/** Which change was prepared, and what came of it; undefined where none is under way. */
type Prepared = { changeId: string; preparation: Preparation } | undefined;
interface Ready {
  order: OrderKey;
  cause: Cause;
  prepared: Prepared;
}

export interface ChangeDriver {
  work: DueWork;
  /** Brings the change of an order to its end. Throws where a service cannot be asked; the due work tries again. */
  drive(order: OrderKey, cause: Cause): Promise<void>;
}

/** After `changeLifeMs` a change that could not be prepared is given up: what came of it meanwhile is undone when that is told. */
export function changing(runtime: Runtime, { changeLifeMs }: { changeLifeMs: number }): ChangeDriver {
  const { db, clock } = runtime;
  const ask = createPreparation(runtime);

  const prepare = async (key: OrderKey): Promise<Prepared> => {
    const [[change], row] = await Promise.all([readUnderWay(db, [key]), readOrder(db, key)]);
    if (!change || !row) return undefined;
    const { changeId } = change;
    if (!needsPreparation(row.state)) return { changeId, preparation: { kind: "prepared" } };
    if (clock.now().getTime() - change.createTime.getTime() <= changeLifeMs) {
      return { changeId, preparation: await ask({ ...change, items: change.after.items }) };
    }
    const message = "shipping or inventory could not be asked in time; try again";
    return { changeId, preparation: { kind: "refused", reason: "CHANGE_TIMED_OUT", message } };
  };

  const apply = (tx: Transaction<OrdersTables>, ready: readonly Ready[]): Promise<void> => concludeAll(runtime, tx, ready);

  return {
    work: dueWork<OrdersTables, Prepared>({
      kind: changeKind,
      prepare: ({ tenant, key }) => prepare({ tenant, orderId: key }),
      apply: (tx, items) =>
        apply(
          tx,
          items.map(({ item: { tenant, key, cause }, prepared }) => ({ order: { tenant, orderId: key }, cause, prepared })),
        ),
    }),
    drive: async (order, cause) => {
      const prepared = await prepare(order);
      await runtime.transaction(async (tx) => {
        await apply(tx, [{ order, cause, prepared }]);
        await cancelDue(tx, changeKind, [{ tenant: order.tenant, key: order.orderId }]);
      });
    },
  };
}

/** Whoever comes second finds no change under way, or another one that it has not prepared, and does nothing. */
async function concludeAll({ clock, log }: Runtime, tx: Transaction<OrdersTables>, ready: readonly Ready[]): Promise<void> {
  const now = clock.now();
  const keys = ready.map(({ order }) => order);
  const orders = await lockOrders(tx, keys);
  const [changes, askedTotals] = await Promise.all([readUnderWay(tx, keys), readAskedTotals(tx, keys)]);
  const underWay = new Map(changes.map((change) => [keyOf(change), change]));
  const concluded: LockedOrder[] = [];
  const events: OutgoingEvent[] = [];
  for (const { order: key, cause, prepared } of ready) {
    const [order, change] = [orders.get(keyOf(key)), underWay.get(keyOf(key))];
    if (!order || !change || change.changeId !== prepared?.changeId) continue;
    const askedTotal = askedTotals.get(order.orderId) ?? null;
    const standing = {
      ...order.progress,
      total: order.total,
      askedTotal,
      isChanging: false,
      isSplit: order.progress.parcels.length > 0,
    };
    const conclusion = conclude(standing, change.after.total, prepared.preparation);
    events.push(...(await write(tx, { order, change, conclusion, now, cause })));
    concluded.push(order);
    const { orderId, changeId } = change;
    log.info({ orderId, changeId, ...conclusion }, "order_change_concluded");
  }
  await saveOrders(tx, concluded, now);
  await appendEvents(tx, events);
}

/** Nobody is told that the change of a cancelled order is refused: all have heard of its end, and gave back what they held. */
async function write(
  tx: Transaction<OrdersTables>,
  about: { order: LockedOrder; change: ChangeRow; conclusion: Conclusion; now: Date; cause: Cause },
): Promise<OutgoingEvent[]> {
  const { order, change, conclusion, now, cause } = about;
  const { tenant, orderId, changeId } = change;
  if (conclusion.kind === "apply") {
    await applyChange(tx, order, change, now);
    return [orderChanged(order, change, { time: now, cause })];
  }
  const { reason, message: detail } = conclusion;
  await endChange(tx, { tenant, orderId, changeId, state: "refused", reason, detail }, now);
  if (order.progress.state === "cancelled") return [];
  return [orderChangeRefused(order, { ...change, reason }, { time: now, cause })];
}
