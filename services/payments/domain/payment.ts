// A payment as its own rules see it, and what a decision about it consists of. Amounts are whole minor units.

export type PaymentState = "PENDING" | "ACTION_REQUIRED" | "AUTHORIZED" | "DECLINED" | "CAPTURED" | "VOIDED" | "REFUNDED";

/** By what the buyer's browser goes on with the payment; for the buyer's eyes only. */
export interface BuyerAction {
  clientSecret: string;
  /** Empty where the provider's client library shows what is to be done. */
  redirectUrl: string;
}

/** What the provider can refuse for good after it had agreed to the hold. */
export type RefusedWork = "capture" | "void" | "refund";

/** Why held money is on its way back although the provider had agreed; REST is what will never be taken of it. */
export type VoidReason = "CANCELLED" | "DEADLINE" | "REST";

/** Units of one SKU that the order is for. A SKU may be in several lines, at different prices. */
export interface PaymentLine {
  sku: string;
  quantity: number;
  unitPrice: number;
}

/** A parcel that has left. */
export interface Parcel {
  shipmentId: string;
  /** Empty stands for the whole order. */
  units: { sku: string; quantity: number }[];
}

export interface CaptureDue {
  amount: number;
  /** True where nothing is taken after it, so that the provider gives back what is left. */
  isFinal: boolean;
}

/** What came back: by a buyer's return, or as a parcel that its carrier has brought back. */
export interface Back {
  /** Of the return, or of the parcel. */
  returnId: string;
  wanted: number;
  /** In words, for the refund. */
  reason: string;
}

export interface Payment {
  tenant: string;
  orderId: string;
  paymentId: string;
  /** Who bought; empty where that was not told. */
  customerId: string;
  state: PaymentState;
  currencyCode: string;
  /** What the provider is asked to hold. */
  amount: number;
  /** What the order costs now, at most the amount. */
  cost: number;
  /** What the cost consists of, beside sending; empty where that was not told, and then it is taken whole. */
  lines: PaymentLine[];
  parcels: Parcel[];
  /** What is to be taken for parcels that have left: one after the other, so that the last one is the last. */
  capturesDue: CaptureDue[];
  /** How many were taken; numbers the keys under which the provider is asked. */
  capturesDone: number;
  /** What came back before all of that was taken: its money goes back once it is. */
  backsDue: Back[];
  authorized: number;
  voided: number;
  captured: number;
  /** Refunds that were promised, given back or not yet; at most captured. */
  refundBooked: number;
  refunded: number;
  declineCode: string | null;
  /** Kept only while it is needed: null in every state but PENDING. */
  paymentToken: string | null;
  /** Null in every state but ACTION_REQUIRED. */
  action: BuyerAction | null;
  deadline: Date;
  /** When the provider was last asked to authorise. Set before the call, so that a crash in it is not forgotten. */
  askTime: Date | null;
  /** The provider's name for the authorisation and everything that follows from it. */
  providerReference: string | null;
  cancelRequested: boolean;
  voidReason: VoidReason | null;
  /** What the provider has refused for good; it is not asked for that again until somebody asks us. */
  refusedWork: RefusedWork | null;
  /** The provider's code of that refusal. */
  refusedCode: string | null;
  /** Why somebody wanted the money given back without the order's own end; the first one's words. */
  undoReason: string | null;
  /** Events sent for the order so far. */
  sequence: number;
  /** Counts the writes; a write names the one that it has read. */
  version: number;
  /** The event that asked for the money. */
  dueEventId: string;
  createTime: Date;
  updateTime: Date;
}

/** What is held, and neither taken nor given back. */
export const heldOf = ({ authorized, voided, captured }: Pick<Payment, "authorized" | "voided" | "captured">): number =>
  authorized - voided - captured;

/** The key under which the provider is asked to give a hold back, always the same one. */
export const voidKey = ({ paymentId }: Pick<Payment, "paymentId">): string => `${paymentId}:void`;

/** An entry for the ledger. */
export interface Movement {
  type: "AUTHORIZATION" | "CAPTURE" | "VOID" | "REFUND";
  amount: number;
  providerReference: string;
  /** Where it carries out a booked refund. */
  refund?: { refundId: string; createTime: Date };
}

/** What others are told. */
export type Fact =
  | { kind: "action_required" }
  | { kind: "authorized"; amount: number }
  | { kind: "declined"; code: string }
  | { kind: "captured"; amount: number }
  | { kind: "voided"; amount: number }
  | { kind: "refunded"; amount: number; remaining: number };

/** What the provider is to be asked next. */
export type Work = "authorize" | "close" | "settle" | "capture" | "void" | "reconcile";

export interface NewRefund {
  amount: number;
  reason: string;
  /** The return that it pays back; absent where it is for none. */
  returnId?: string;
  /** The provider's name for it where it has happened there already. */
  doneReference?: string;
}

/** One decision: the payment after it, and what must be written with it. */
export interface Change {
  payment: Payment;
  movements: Movement[];
  facts: Fact[];
  work: Work[];
  /** Work that was planned for later and is not needed any more. */
  needless?: Work;
  refunds: NewRefund[];
  /** What is given back of what came back; nothing as long as it waits. */
  backs?: { returnId: string; wanted: number; amount: number }[];
}

export function change(
  payment: Payment,
  fields: Partial<Payment>,
  also: { movements?: Movement[]; facts?: Fact[]; work?: Work[]; refunds?: NewRefund[] } = {},
): Change {
  const { movements = [], facts = [], work = [], refunds = [] } = also;
  return { payment: { ...payment, ...fields, sequence: payment.sequence + facts.length }, movements, facts, work, refunds };
}

export interface DueOrder {
  tenant: string;
  orderId: string;
  paymentId: string;
  customerId: string;
  currencyCode: string;
  amount: number;
  lines: PaymentLine[];
  paymentToken: string;
  deadline: Date;
  dueEventId: string;
}

/** A payment that was just asked for. For an order that is cancelled already it is over before it begins. */
export function openPayment(due: DueOrder, { isCancelled, now }: { isCancelled: boolean; now: Date }): Payment {
  return {
    ...due,
    state: isCancelled ? "VOIDED" : "PENDING",
    paymentToken: isCancelled ? null : due.paymentToken,
    cancelRequested: isCancelled,
    cost: due.amount,
    parcels: [],
    capturesDue: [],
    capturesDone: 0,
    backsDue: [],
    authorized: 0,
    voided: 0,
    captured: 0,
    refundBooked: 0,
    refunded: 0,
    declineCode: null,
    action: null,
    askTime: null,
    providerReference: null,
    voidReason: null,
    refusedWork: null,
    refusedCode: null,
    undoReason: null,
    sequence: 0,
    version: 1,
    createTime: now,
    updateTime: now,
  };
}
