// When rules match. Conditions are data; what their kinds mean is said here and nowhere else.
import { domainOf, moneyText, valueOf, type Money, type ScreenedOrder, type VelocityBy } from "./order.ts";

/** Either so many orders before this one, or a sum with its own total in it. */
export type Velocity = { by: VelocityBy; windowSeconds: number } & ({ ordersMax: number } | { sumMax: Money });

/** Conditions that stand for themselves. */
export type SimpleCondition =
  | { kind: "bin"; prefix: string }
  | { kind: "device"; fingerprint: string }
  | ({ kind: "velocity" } & Velocity)
  | { kind: "amount"; atLeast: Money }
  | { kind: "country"; countryCodes: string[] }
  | { kind: "postal_code"; countryCode: string; prefix: string }
  | { kind: "address"; addressHash: string }
  | { kind: "email"; email: string }
  | { kind: "size"; unitsMin: number; linesMin: number }
  | { kind: "new_customer" }
  | { kind: "list"; listId: string };

export type Condition = SimpleCondition | { kind: "all"; conditions: SimpleCondition[] };

export const partsOf = (condition: Condition): readonly SimpleCondition[] =>
  condition.kind === "all" ? condition.conditions : [condition];

/** What had to be looked up for an order. It is kept, so that it can be told later what the rules saw. */
export interface Observed {
  /** Orders before it, or the sum of their totals in minor units, by velocityKey. May have stopped at what rules allow. */
  velocity: Record<string, number>;
  /** Ids of the lists in which something of it is. */
  listIds: string[];
}

/** All that a customer has ever ordered; in seconds, and longer than anybody has kept orders. */
export const everSeconds = 2_000_000_000;
export const earlierOrders = { by: "CUSTOMER", windowSeconds: everSeconds, ordersMax: 1 } as const satisfies Velocity;

/** Rules that ask for the same have one answer. */
export function velocityKey(velocity: Velocity): string {
  const measure = "sumMax" in velocity ? velocity.sumMax.currencyCode : "orders";
  return `${velocity.by}:${velocity.windowSeconds}:${measure}`;
}

export interface Sight {
  isMatch: boolean;
  /** In words. */
  saw: string;
}

const things: Record<VelocityBy, string> = {
  CUSTOMER: "customer",
  BIN: "card's first digits",
  DEVICE: "device",
  ADDRESS: "address",
  EMAIL: "mail address",
};

export function look(condition: Condition, order: ScreenedOrder, observed: Observed): Sight {
  if (condition.kind !== "all") return lookAtOne(condition, order, observed);
  const sights = condition.conditions.map((part) => lookAtOne(part, order, observed));
  const isMatch = sights.every((sight) => sight.isMatch);
  // Where it does not match, what is missing is what matters.
  const told = isMatch ? sights : sights.filter((sight) => !sight.isMatch);
  return { isMatch, saw: told.map(({ saw }) => saw).join(" and ") };
}

function lookAtOne(condition: SimpleCondition, order: ScreenedOrder, observed: Observed): Sight {
  switch (condition.kind) {
    case "bin":
      return sight(order.cardBin.startsWith(condition.prefix), {
        yes: `card starts with ${condition.prefix}`,
        no: `card does not start with ${condition.prefix}`,
      });
    case "device":
      return sight(order.deviceFingerprint === condition.fingerprint, {
        yes: `device is "${condition.fingerprint}"`,
        no: `device is not "${condition.fingerprint}"`,
      });
    case "amount": {
      const { total } = order;
      const [seen, least] = [moneyText(total), moneyText(condition.atLeast)];
      const isSameCurrency = total.currencyCode === condition.atLeast.currencyCode;
      const isMatch = isSameCurrency && total.minorUnits >= condition.atLeast.minorUnits;
      const no = isSameCurrency ? `total of ${seen} is below ${least}` : `total is in ${total.currencyCode}`;
      return sight(isMatch, { yes: `total of ${seen} is ${least} or more`, no });
    }
    case "country":
    case "postal_code":
    case "address":
      return lookAtAddress(condition, order);
    case "email": {
      const isMatch = order.email !== "" && [order.email, domainOf(order.email)].includes(condition.email);
      return sight(isMatch, { yes: `mail address is of ${condition.email}`, no: `mail address is not of ${condition.email}` });
    }
    case "size": {
      const { unitsMin, linesMin } = condition;
      const { units, lines } = order;
      const wanted = [unitsMin > 0 && `${unitsMin} units`, linesMin > 0 && `${linesMin} lines`].filter(Boolean).join(" and ");
      const isMatch = units >= unitsMin && lines >= linesMin;
      const seen = `${units} units in ${lines} lines`;
      return sight(isMatch, { yes: `${seen}, ${wanted} or more`, no: `${seen}, less than ${wanted}` });
    }
    case "new_customer": {
      if (order.customerId === "") return { isMatch: false, saw: "order names no customer" };
      const isMatch = (observed.velocity[velocityKey(earlierOrders)] ?? 0) === 0;
      return sight(isMatch, { yes: "first order of the customer", no: "customer has ordered before" });
    }
    case "list": {
      const isMatch = observed.listIds.includes(condition.listId);
      return sight(isMatch, { yes: `in list ${condition.listId}`, no: `not in list ${condition.listId}` });
    }
    case "velocity":
      return lookAtVelocity(condition, order, observed);
  }
}

function lookAtAddress(
  condition: Extract<SimpleCondition, { kind: "country" | "postal_code" | "address" }>,
  { countryCode, postalCode, addressHash }: ScreenedOrder,
): Sight {
  if (addressHash === "") return { isMatch: false, saw: "order has no address" };
  switch (condition.kind) {
    case "country":
      return sight(condition.countryCodes.includes(countryCode), {
        yes: `goes to ${countryCode}`,
        no: `goes to ${countryCode}, which is not asked for`,
      });
    case "postal_code": {
      const wanted = `${condition.countryCode} ${condition.prefix}`;
      const isMatch = countryCode === condition.countryCode && postalCode.startsWith(condition.prefix);
      return sight(isMatch, { yes: `postal code starts with ${wanted}`, no: `postal code does not start with ${wanted}` });
    }
    case "address":
      return sight(addressHash === condition.addressHash, { yes: "address is the one", no: "address is another" });
  }
}

function lookAtVelocity(velocity: Velocity, order: ScreenedOrder, observed: Observed): Sight {
  const { by, windowSeconds } = velocity;
  const thing = things[by];
  // Orders that name nothing have nothing in common.
  if (valueOf(order, by) === "") return { isMatch: false, saw: `order names no ${thing}` };
  const before = observed.velocity[velocityKey(velocity)] ?? 0;
  const inWindow = `of the ${thing} in ${windowSeconds} seconds`;
  if ("ordersMax" in velocity) {
    const { ordersMax } = velocity;
    return sight(before >= ordersMax, {
      yes: `more than ${ordersMax} orders ${inWindow}`,
      no: `${before + 1} orders ${inWindow}, ${ordersMax} are allowed`,
    });
  }
  const { currencyCode, minorUnits } = velocity.sumMax;
  if (order.total.currencyCode !== currencyCode) return { isMatch: false, saw: `total is in ${order.total.currencyCode}` };
  const sum = moneyText({ currencyCode, minorUnits: before + order.total.minorUnits });
  const allowed = moneyText(velocity.sumMax);
  return sight(before + order.total.minorUnits > minorUnits, {
    yes: `orders ${inWindow} come to ${sum}, more than ${allowed}`,
    no: `orders ${inWindow} come to ${sum}, ${allowed} are allowed`,
  });
}

const sight = (isMatch: boolean, words: { yes: string; no: string }): Sight => ({
  isMatch,
  saw: isMatch ? words.yes : words.no,
});
