// What an event says in one line, by a few of its fields: codes, amounts and counts. Words of people, names and addresses, which
// events have as well, are not repeated. An event that is not known here is told by its name.

/** JSON by its contract. */
export type EventPayload = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const numberOf = (value: unknown): string => (typeof value === "number" || typeof value === "string" ? String(value) : "0");
const isObject = (value: unknown): value is EventPayload => typeof value === "object" && value !== null && !Array.isArray(value);

/** Codes are ours or a provider's; what else stands in a reason, somebody has written. */
const because = (value: unknown): string => (/^[A-Za-z0-9_]+$/.test(textOf(value)) ? `, because of ${textOf(value)}` : "");

function amount(value: unknown): string {
  const { minorUnits, currencyCode } = isObject(value) ? value : {};
  return `${numberOf(minorUnits)} minor units of ${textOf(currencyCode)}`;
}

function shortages(value: unknown): string {
  const short = Array.isArray(value) ? value.filter(isObject) : [];
  return short
    .map(({ sku, requested, available }) => `${numberOf(requested)} of ${textOf(sku)} asked for, ${numberOf(available)} there`)
    .join("; ");
}

const texts: Readonly<Record<string, (payload: EventPayload) => string>> = {
  OrderCreated: () => "told that the order has begun",
  OrderPaymentDue: (event) => `asked for ${amount(event["amount"])}, until ${textOf(event["deadline"])}`,
  OrderReady: () => "told that the order may be sent",
  OrderShipped: () => "told that the order has left",
  OrderDelivered: () => "told that the order has arrived",
  OrderReturned: () => "told that the order has come back",
  OrderChanged: (event) => `told that the order is changed, and costs ${amount(event["total"])}`,
  OrderChangeRefused: (event) => `told that the change is refused${because(event["reason"])}`,
  ReturnApproved: () => "told that goods may come back",
  ReturnRejected: () => "told that goods may not come back",
  ExchangePlaced: (event) => `told that something else is ordered instead: ${textOf(event["exchangeOrderId"])}`,
  ReturnReceived: (event) => `told that goods came back, for which ${amount(event["refund"])} are owed`,
  OrderCancelled: (event) => `told that the order is cancelled${because(event["reason"])}`,
  OrderErased: () => "told that the customer is taken out of the order",
  StockReserved: () => "told that the stock is held",
  StockInsufficient: (event) => `told that the stock is too short: ${shortages(event["shortages"])}`,
  StockReleased: (event) => `told that the stock is free again${because(event["reason"])}`,
  FraudCleared: (event) => `cleared the order, at ${numberOf(event["score"])} points`,
  FraudReviewRequired: (event) => `wants somebody to look at the order, at ${numberOf(event["score"])} points`,
  FraudRejected: (event) => `rejected the order, at ${numberOf(event["score"])} points`,
  PaymentActionRequired: () => "told that the buyer has to act at its bank",
  PaymentAuthorized: (event) => `told that ${amount(event["amount"])} are held`,
  PaymentDeclined: (event) => `told that the payment is declined${because(event["code"])}`,
  PaymentCaptured: (event) => `told that ${amount(event["amount"])} are taken`,
  PaymentVoided: (event) => `told that ${amount(event["amount"])} are held no longer`,
  PaymentRefunded: (event) => `told that ${amount(event["amount"])} are given back, and ${amount(event["remaining"])} stay taken`,
  ShipmentCreated: (event) => `told that the parcel is made, by ${textOf(event["carrier"])}`,
  ShipmentNumberChanged: (event) =>
    event["trackingNumber"]
      ? `told that the parcel has the number ${textOf(event["trackingNumber"])}`
      : "told that the parcel's number is void",
  ShipmentDispatched: () => "told that the parcel has left",
  ShipmentDelivered: () => "told that the parcel has arrived",
  ShipmentDeliveryFailed: () => "told that the parcel could not be delivered",
  ShipmentReturned: () => "told that the parcel has come back",
  ShipmentStopped: () => "told that the parcel is stopped",
};

/** To follow the name of its service. */
export const eventText = (name: string, payload: EventPayload): string => texts[name]?.(payload) ?? `told ${name}`;
