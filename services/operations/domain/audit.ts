// The rules of the books: what each is called, what must hold, and what a report may say of them all.

/** Walks through the books of a tenant: each goes through one list of rows, page by page. */
export const tenantWalks = ["stock", "payments", "shipments", "orders", "holds", "held_payments", "sequences"] as const;
/** Walks through what is of the whole installation. */
export const installationWalks = ["deliveries", "tenants"] as const;

export type TenantWalkName = (typeof tenantWalks)[number];
export type InstallationWalkName = (typeof installationWalks)[number];

/** Which walk proves a check. */
export type WalkName = TenantWalkName | InstallationWalkName;

export interface Check {
  check: string;
  rule: string;
  walk: WalkName;
  /** What one service says of one moment is certain; what spans services, or moves meanwhile, must be seen twice. */
  certain: boolean;
}

const oneService = { certain: true } as const;
const severalServices = { certain: false } as const;

/** Every check; docs/audit.md lists the same. */
export const checks = [
  { check: "stock.on_hand", walk: "stock", ...oneService, rule: "What is on hand is the sum of the movements." },
  { check: "stock.reserved", walk: "stock", ...oneService, rule: "What is reserved is the sum of the live holds." },
  { check: "stock.oversold", walk: "stock", ...oneService, rule: "No more is reserved than is on hand." },
  {
    check: "stock.shipped",
    walk: "stock",
    ...oneService,
    rule: "What was shipped is what was held for the order, parcel by parcel.",
  },
  { check: "stock.stranded", walk: "holds", ...severalServices, rule: "What is held is held for an order that goes on." },
  { check: "money.ledger", walk: "payments", ...oneService, rule: "The sums of a payment are those of its ledger." },
  { check: "money.provider", walk: "payments", ...oneService, rule: "The ledger and the provider's books agree." },
  {
    check: "money.bounds",
    walk: "payments",
    ...oneService,
    rule: "No more is given back than taken, no more taken than the price.",
  },
  { check: "money.next_step", walk: "payments", ...oneService, rule: "A payment that is not final has its next step planned." },
  { check: "money.refused", walk: "payments", ...oneService, rule: "Nothing that the provider refuses waits for a person." },
  {
    check: "money.returns",
    walk: "payments",
    ...oneService,
    rule: "What was booked for returns is what their refunds give back.",
  },
  { check: "money.stranded", walk: "held_payments", ...severalServices, rule: "Money is held for an order that goes on." },
  { check: "shipments.next_step", walk: "shipments", ...oneService, rule: "A parcel under way has its next step planned." },
  { check: "orders.total", walk: "orders", ...oneService, rule: "The lines and the shipping cost are the total." },
  { check: "orders.timeline", walk: "orders", ...oneService, rule: "The timeline leads to the state without a gap." },
  { check: "orders.next_step", walk: "orders", ...oneService, rule: "A pending order has work planned that ends it." },
  {
    check: "orders.stock",
    walk: "orders",
    ...severalServices,
    rule: "Stock is held, shipped or free as the order's state says.",
  },
  { check: "orders.money", walk: "orders", ...severalServices, rule: "Money is held, taken or free as the order's state says." },
  {
    check: "orders.parcel",
    walk: "orders",
    ...severalServices,
    rule: "Its parcels are where the order's state says, and have its units.",
  },
  {
    check: "orders.stuck",
    walk: "orders",
    ...severalServices,
    rule: "An order is final, or waits for something whose time is not over.",
  },
  { check: "orders.changes", walk: "orders", ...severalServices, rule: "A change is applied or refused within its time." },
  { check: "orders.holds", walk: "orders", ...severalServices, rule: "A change holds the parcel only while it is under way." },
  {
    check: "orders.returns",
    walk: "orders",
    ...severalServices,
    rule: "What returns promise was asked of payments once.",
  },
  {
    check: "orders.restocked",
    walk: "orders",
    ...severalServices,
    rule: "What came back and can be sold again is on hand again.",
  },
  { check: "events.lost", walk: "orders", ...severalServices, rule: "Every accepted order has its OrderCreated." },
  { check: "events.sequence", walk: "sequences", ...oneService, rule: "The events of a key are in the stream without a gap." },
  { check: "events.unpublished", walk: "deliveries", ...severalServices, rule: "No event waits long to be published." },
  { check: "work.overdue", walk: "deliveries", ...severalServices, rule: "Planned work is done at its time." },
  { check: "tenants.registered", walk: "tenants", ...severalServices, rule: "Whoever has books is a tenant that was made." },
] as const satisfies readonly Check[];

export type CheckName = (typeof checks)[number]["check"];

export const checksOf = (walk: WalkName): CheckName[] => checks.filter((one) => one.walk === walk).map(({ check }) => check);

const isOfTenant = (walk: WalkName): boolean => tenantWalks.some((name) => name === walk);

/** Checks that are made for each tenant, and those that are made once. */
export const tenantChecks: readonly string[] = checks.filter(({ walk }) => isOfTenant(walk)).map(({ check }) => check);
export const installationChecks: readonly string[] = checks.filter(({ walk }) => !isOfTenant(walk)).map(({ check }) => check);

const certainChecks: ReadonlySet<string> = new Set(checks.filter(({ certain }) => certain).map(({ check }) => check));

export const isCertain = (check: string): boolean => certainChecks.has(check);

/** A disagreement, as one page showed it. */
export interface Finding {
  check: string;
  /** A SKU, an order id, a key. */
  key: string;
  message: string;
  figures: Record<string, string>;
}

export interface BooksSeen {
  violationsOpen: number;
  suspects: number;
  checks: readonly { problem: string; isComplete: boolean }[];
}

export type AuditState = "INCOMPLETE" | "CLEAN" | "VIOLATED";

/** Books are clean only where everything was looked at and nothing is in doubt. */
export function auditState({ violationsOpen, suspects, checks: seen }: BooksSeen): AuditState {
  if (violationsOpen > 0) return "VIOLATED";
  const isWhole = seen.every(({ problem, isComplete }) => problem === "" && isComplete);
  return isWhole && suspects === 0 ? "CLEAN" : "INCOMPLETE";
}
