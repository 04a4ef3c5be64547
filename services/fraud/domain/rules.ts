// Which rules an order matches. Rules are data; what their kinds mean is said here and nowhere else.

export interface Money {
  currencyCode: string;
  minorUnits: number;
}

export type Condition =
  | { kind: "bin"; prefix: string }
  | { kind: "device"; fingerprint: string }
  | { kind: "velocity"; ordersMax: number; windowSeconds: number }
  | { kind: "amount"; atLeast: Money };

export interface Rule {
  ruleId: string;
  description: string;
  /** Points, 1 to 100. */
  weight: number;
  condition: Condition;
}

/** What screening looks at. */
export interface ScreenedOrder {
  tenant: string;
  orderId: string;
  /** Empty where the order names nobody. */
  customerId: string;
  /** First digits of the card; may be empty. */
  cardBin: string;
  /** May be empty. */
  deviceFingerprint: string;
  total: Money;
  placeTime: Date;
}

export interface RuleMatch {
  ruleId: string;
  weight: number;
  explanation: string;
}

/** How many orders of the customer came before this one inside a window; may stop counting at the given number. */
export type OrdersBefore = (order: ScreenedOrder, velocity: { windowSeconds: number; ordersMax: number }) => number;

/** The rules that match, the heaviest first; rules of one weight in the order given. */
export function matchRules(order: ScreenedOrder, rules: readonly Rule[], ordersBefore: OrdersBefore): RuleMatch[] {
  return rules
    .flatMap(({ ruleId, description, weight, condition }) => {
      const seen = whatItSaw(condition, order, ordersBefore);
      return seen === undefined ? [] : [{ ruleId, weight, explanation: `${seen}: ${description}` }];
    })
    .toSorted((one, other) => other.weight - one.weight);
}

/** In words; undefined where the condition does not hold. */
function whatItSaw(condition: Condition, order: ScreenedOrder, ordersBefore: OrdersBefore): string | undefined {
  switch (condition.kind) {
    case "bin":
      return order.cardBin.startsWith(condition.prefix) ? `card starts with ${condition.prefix}` : undefined;
    case "device":
      return order.deviceFingerprint === condition.fingerprint ? `device is "${condition.fingerprint}"` : undefined;
    case "amount": {
      const { total } = order;
      const { atLeast } = condition;
      const isMatch = total.currencyCode === atLeast.currencyCode && total.minorUnits >= atLeast.minorUnits;
      return isMatch ? `total of ${moneyText(total)} is ${moneyText(atLeast)} or more` : undefined;
    }
    case "velocity": {
      // Orders that name no customer have nothing in common.
      if (order.customerId === "" || ordersBefore(order, condition) < condition.ordersMax) return undefined;
      return `more than ${condition.ordersMax} orders of the customer in ${condition.windowSeconds} seconds`;
    }
  }
}

/** ISO 4217: yen have no smaller unit, the other currencies that we know have hundredths. */
function moneyText({ currencyCode, minorUnits }: Money): string {
  const digits = currencyCode === "JPY" ? 0 : 2;
  const amount = (minorUnits / 10 ** digits).toLocaleString("en-US", { minimumFractionDigits: digits });
  return `${amount} ${currencyCode}`;
}
