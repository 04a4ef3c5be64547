// What came back: each return is where its commands have led it, was paid back once at what the goods had cost, and is on the shelf once.
import type { Asked, AskedReturn } from "../asked.ts";
import type { Product } from "../goods.ts";
import { sendingCost, shareOf } from "../goods.ts";
import type { Books, OrderRow } from "./books.ts";
import type { ReturnRow } from "./change-books.ts";
import { textsById, unitsText, type Expected } from "./contents.ts";
import { findings, unlessEqual, unlessNear, type Disagreement, type Findings } from "./disagreement.ts";

/** A return that was accepted, with what it should have come to. */
export interface ExpectedReturn {
  returnId: string;
  orderId: string;
  asked: AskedReturn;
  state: "requested" | "approved" | "rejected" | "received";
  /** Minor units. All returns of an order together give back exactly what these say. */
  refund: number;
  /** Which of several takes what rounding leaves over is decided by which was received first. */
  roundings: number;
  restocked: { sku: string; quantity: number }[];
}

/** By the commands that were accepted: what was received can be rejected no more, and what was rejected not be approved. */
function stateOf({ commands }: AskedReturn): ExpectedReturn["state"] {
  const has = (wanted: string): boolean =>
    commands.some(({ command, outcome }) => command === wanted && outcome.kind === "accepted");
  if (has("receive")) return "received";
  if (has("reject")) return "rejected";
  return has("approve") ? "approved" : "requested";
}

export function expectedReturns(
  asked: readonly Asked[],
  { books, contents, goods }: { books: Books; contents: ReadonlyMap<string, Expected>; goods: readonly Product[] },
): ExpectedReturn[] {
  const orders = new Map(books.orders.map((order) => [order.requestId, order.orderId]));
  return asked.flatMap(({ key, sentBack = [] }) => {
    const orderId = orders.get(key) ?? "";
    const content = contents.get(orderId)?.content;
    const gone = new Map<string, number>();
    return sentBack.flatMap((one): ExpectedReturn[] => {
      if (one.requested.kind !== "accepted") return [];
      const state = stateOf(one);
      const { received, refundShipping } = one.planned;
      const refund = state === "received" && content ? paidFor(received) + (refundShipping ? sendingCost(content) : 0) : 0;
      const restocked = received.map(({ sku, restocked: quantity }) => ({ sku, quantity }));
      const isReceived = state === "received";
      return [
        {
          returnId: String(one.requested.body["returnId"]),
          orderId,
          asked: one,
          state,
          refund,
          roundings: sentBack.length > 1 ? received.length : 0,
          restocked: isReceived ? restocked : [],
        },
      ];
    });

    /** What units have cost beyond those that came back before them, so that rounding gives nothing twice. */
    function paidFor(units: AskedReturn["planned"]["received"]): number {
      return units.reduce((sum, { sku, accepted }) => {
        const before = gone.get(sku) ?? 0;
        gone.set(sku, before + accepted);
        const shareOfFirst = (quantity: number): number => (content ? shareOf(content, { sku, quantity }, goods) : 0);
        return sum + shareOfFirst(before + accepted) - shareOfFirst(before);
      }, 0);
    }
  });
}

export function checkReturns(expected: readonly ExpectedReturn[], books: Books): Findings[] {
  const rows = new Map(books.returns.map((row) => [row.returnId, row]));
  const ids = new Set(expected.map(({ returnId }) => returnId));
  const shelf = textsById(books.restocked);
  const orders = Map.groupBy(books.orders, ({ requestId }) => requestId ?? "");
  return [
    findings(expected, (should) => {
      const row = rows.get(should.returnId);
      const { returnId: subject, state, refund, roundings, restocked, asked } = should;
      if (!row) return [{ rule: "accepted_return_lost", subject, message: `it was accepted under ${asked.key}` }];
      const is = (rule: string, what: string) => ({ rule, subject, what: `${state}, ${what}` });
      return [
        unlessEqual(is("return_state", "its state"), row.state, state),
        unlessNear(is("return_refund", "what is given back"), row.refund ?? 0, { expected: refund, by: roundings }),
        unlessEqual(is("return_wanted", "what payments was asked for"), row.wanted ?? 0, row.refund ?? 0),
        unlessEqual(is("return_restocked", "back on the shelf"), shelf.get(subject) ?? "", unitsText(restocked)),
        closedTwice(asked, subject),
        ...exchangeOf(should, row, orders.get(subject) ?? []),
      ];
    }),
    findings(books.returns, ({ returnId: subject, requestId }) => [
      ids.has(subject) ? undefined : { rule: "return_nobody_asked_for", subject, message: `its request is ${requestId}` },
    ]),
    findings([...shelf.keys()], (subject) => [
      ids.has(subject) ? undefined : { rule: "restocked_for_nobody", subject, message: `${shelf.get(subject)} came back by it` },
    ]),
  ];
}

function closedTwice({ commands }: AskedReturn, subject: string): Disagreement | undefined {
  const accepted = new Set(commands.filter(({ outcome }) => outcome.kind === "accepted").map(({ command }) => command));
  return accepted.has("receive") && accepted.has("reject")
    ? { rule: "return_closed_twice", subject, message: "it was received and rejected" }
    : undefined;
}

/** Something else instead is an order, placed once where something was accepted, or a refusal with its reason. */
function exchangeOf(
  { asked, state, returnId }: ExpectedReturn,
  row: ReturnRow,
  placed: readonly OrderRow[],
): (Disagreement | undefined)[] {
  const is = (rule: string, what: string) => ({ rule, subject: returnId, what });
  if (!asked.planned.exchange) return [unlessEqual(is("exchange_nobody_asked_for", "orders instead of it"), placed.length, 0)];
  const isAccepted = asked.planned.received.some(({ accepted }) => accepted > 0);
  const isOpen = state === "requested" || state === "approved";
  const hasNone = isOpen || state === "rejected" || !isAccepted;
  const expected = isOpen ? "waiting" : hasNone || placed.length === 0 ? "refused" : "placed";
  const [order] = placed;
  return [
    unlessEqual(is("exchange_state", "what was wanted instead"), row.exchangeState ?? "", expected),
    hasNone ? unlessEqual(is("exchange_placed", "orders instead of it"), placed.length, 0) : undefined,
    unlessEqual(is("exchange_order", "its order"), row.exchangeOrderId ?? "", order?.orderId ?? ""),
    order ? unlessEqual(is("exchange_of", "what its order is for"), order.exchangeOf, returnId) : undefined,
    expected === "refused" && row.exchangeReason === ""
      ? { rule: "exchange_reason", subject: returnId, message: "nothing is placed, and nobody says why" }
      : undefined,
  ];
}
