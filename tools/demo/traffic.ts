// Orders as a shop sees them: most go well, some are refused, declined, rejected or short of stock.
export interface Article {
  sku: string;
  currency: string;
}

export type Intent = "good" | "declined" | "no_funds" | "fraud" | "short_stock" | "invalid";

export interface PlannedOrder {
  intent: Intent;
  body: Record<string, unknown>;
}

/** Of a hundred orders; the rest is good. */
const share: [Intent, number][] = [
  ["declined", 6],
  ["no_funds", 4],
  ["fraud", 4],
  ["short_stock", 4],
  ["invalid", 2],
];

const currencies = ["EUR", "USD", "GBP"];

function intentOf(index: number): Intent {
  // Spread over the run rather than one after the other: 37 and 100 have no common divisor.
  let position = (index * 37) % 100;
  for (const [intent, size] of share) {
    if (position < size) return intent;
    position -= size;
  }
  return "good";
}

const change: Record<Intent, Record<string, unknown>> = {
  good: {},
  declined: { paymentToken: "tok_declined" },
  no_funds: { paymentToken: "tok_insufficient_funds" },
  fraud: { paymentMethodBin: "400000" },
  short_stock: {},
  invalid: { currency: "XXX", items: [] },
};

/** The order at a position of the run; the same run asks for the same orders. */
export function planOrder(index: number, articles: readonly Article[]): PlannedOrder {
  const intent = intentOf(index);
  const currency = currencies[index % currencies.length] ?? "EUR";
  const sold = articles.filter((article) => article.currency === currency);
  const lines = 1 + (index % 3);
  const items = Array.from({ length: lines }, (_, line) => ({
    sku: sold[(index * 7 + line * 13) % sold.length]?.sku,
    quantity: intent === "short_stock" ? "90000" : String(1 + ((index + line) % 2)),
  }));
  const basket = { customerId: `demo-${index % 997}`, currency, paymentToken: "tok_success", paymentMethodBin: "424242", items };
  return { intent, body: { ...basket, ...change[intent] } };
}
