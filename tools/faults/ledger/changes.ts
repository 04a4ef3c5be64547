// Every change that was asked for was applied or refused as it was answered, once, and holds nothing any more.
import type { Asked, AskedChange } from "../asked.ts";
import type { Books } from "./books.ts";
import type { ChangeRow } from "./change-books.ts";
import { findings, type Disagreement, type Findings } from "./disagreement.ts";

const stateNames: Readonly<Record<string, string>> = {
  ORDER_CHANGE_STATE_APPLIED: "applied",
  ORDER_CHANGE_STATE_REFUSED: "refused",
};

export function checkChanges(asked: readonly Asked[], books: Books): Findings[] {
  const orders = new Map(books.orders.map((order) => [order.requestId, order.orderId]));
  const stateOf = new Map(books.orders.map(({ orderId, state }) => [orderId, state]));
  const rowOf = new Map(books.changes.map((row) => [`${row.orderId} ${row.requestId}`, row]));
  const changes = asked.flatMap(({ key, changes: of = [] }) =>
    of.map((change) => ({ change, orderId: orders.get(key) ?? "", of })),
  );
  const known = new Set(changes.map(({ change, orderId }) => `${orderId} ${change.key}`));
  return [
    findings(changes, ({ change, orderId }) => {
      const rival = change.rival === undefined ? undefined : rowOf.get(`${orderId} ${change.rival}`);
      return [
        ...answerOf(change, rowOf.get(`${orderId} ${change.key}`)),
        bothOf(change, rowOf.get(`${orderId} ${change.key}`), rival),
      ];
    }),
    findings(books.changes, ({ orderId, changeId, requestId, state }) => [
      state === "requested"
        ? { rule: "change_stuck", subject: changeId, message: `it was asked for, and is neither applied nor refused` }
        : undefined,
      known.has(`${orderId} ${requestId}`)
        ? undefined
        : { rule: "change_nobody_asked_for", subject: changeId, message: `its request is ${requestId}` },
    ]),
    // A cancelled order's parcel does not leave anyway.
    findings(books.parcelHolds, ({ orderId, changeId }) => [
      stateOf.get(orderId) === "cancelled"
        ? undefined
        : {
            rule: "parcel_held",
            subject: orderId,
            message: `change ${changeId} still holds it, and it is ${stateOf.get(orderId)}`,
          },
    ]),
  ];
}

function answerOf({ key, confirmed }: AskedChange, row: ChangeRow | undefined): (Disagreement | undefined)[] {
  return confirmed.map((outcome) => {
    if (outcome.kind === "unknown") return undefined;
    if (outcome.kind === "refused") {
      const isKnown = row !== undefined && confirmed.every(({ kind }) => kind === "refused");
      return isKnown
        ? {
            rule: "refused_change_exists",
            subject: row.changeId,
            message: `it is ${row.state}, and was answered ${outcome.reason}`,
          }
        : undefined;
    }
    const { changeId, state } = outcome.body;
    if (!row || row.changeId !== changeId) {
      return {
        rule: "accepted_change_lost",
        subject: key,
        message: `${String(changeId)} was accepted, and ${row?.changeId ?? "none"} is there`,
      };
    }
    const answered = stateNames[String(state)];
    return answered === undefined || answered === row.state
      ? undefined
      : {
          rule: "change_not_as_answered",
          subject: row.changeId,
          message: `it was answered to be ${answered}, and is ${row.state}`,
        };
  });
}

/** Both were previewed of the same order, so the second that was confirmed stood for another one than there was. */
function bothOf({ key }: AskedChange, row: ChangeRow | undefined, rival: ChangeRow | undefined): Disagreement | undefined {
  return row?.state === "applied" && rival?.state === "applied"
    ? { rule: "outdated_change_applied", subject: key, message: `so was ${rival.changeId}, that was previewed with it` }
    : undefined;
}
