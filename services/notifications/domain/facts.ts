// What customers are told of, on which channels, and what stands for the placeholders of a text.

export const facts = [
  "created",
  "payment_action_required",
  "ready",
  "changed",
  "change_refused",
  "parcel_shipped",
  "shipped",
  "delivered",
  "cancelled",
  "return_approved",
  "return_rejected",
  "return_received",
  "exchange_placed",
  "refunded",
] as const;
export type Fact = (typeof facts)[number];

export const channels = ["email", "sms", "push"] as const;
export type Channel = (typeof channels)[number];

export interface Money {
  currencyCode: string;
  minorUnits: string;
}

/** What a fact says beside its order; nothing that identifies a person. */
export interface FactData {
  trackingNumber?: string;
  /** What is in one of several parcels. */
  lines?: readonly { sku: string; quantity: string }[];
  cancelReason?: string;
  refund?: Money;
  /** What the order costs since it was changed. */
  newTotal?: Money;
  /** Why a change was refused. */
  refusalReason?: string;
  returnId?: string;
  exchangeOrderId?: string;
}

/** Values by the names of placeholders. */
export type Values = Readonly<Record<string, string>>;

const ofEveryFact = ["order_id", "customer_name", "total"];
const ofSomeFacts: Partial<Record<Fact, readonly string[]>> = {
  changed: ["new_total"],
  change_refused: ["refusal_reason"],
  parcel_shipped: ["tracking_number", "parcel_lines"],
  shipped: ["tracking_number"],
  cancelled: ["cancel_reason"],
  return_approved: ["return_id"],
  return_rejected: ["return_id"],
  return_received: ["return_id", "refund_amount"],
  exchange_placed: ["return_id", "exchange_order_id"],
  refunded: ["refund_amount"],
};

export const placeholdersOf = (fact: Fact): string[] => [...ofEveryFact, ...(ofSomeFacts[fact] ?? [])];

export interface Told {
  orderId: string;
  customerName: string;
  /** Absent where the order was not heard of. */
  total?: Money | undefined;
  data: FactData;
}

export function valuesOf({ orderId, customerName, total, data }: Told, language: string): Values {
  return {
    order_id: orderId,
    customer_name: customerName,
    total: total ? formatMoney(total, language) : "",
    tracking_number: data.trackingNumber ?? "",
    parcel_lines: linesText(data.lines ?? []),
    cancel_reason: data.cancelReason ?? "",
    refund_amount: data.refund ? formatMoney(data.refund, language) : "",
    new_total: data.newTotal ? formatMoney(data.newTotal, language) : "",
    refusal_reason: data.refusalReason ?? "",
    return_id: data.returnId ?? "",
    exchange_order_id: data.exchangeOrderId ?? "",
  };
}

/** For previews. */
export const sampleOf = (language: string): Values =>
  valuesOf(
    {
      orderId: "ord_01h455vb4pex5vsknk084sn02q",
      customerName: "Ada & Bob <Lovelace>",
      total: { currencyCode: "EUR", minorUnits: "123450" },
      data: {
        trackingNumber: "TRK123456",
        lines: [
          { sku: "MUG-BLUE", quantity: "2" },
          { sku: "TEE-RED-M", quantity: "1" },
        ],
        cancelReason: "OUT_OF_STOCK",
        refund: { currencyCode: "EUR", minorUnits: "9900" },
        newTotal: { currencyCode: "EUR", minorUnits: "113550" },
        refusalReason: "STOCK_UNAVAILABLE",
        returnId: "rtn_01h455vb4pex5vsknk084sn02q",
        exchangeOrderId: "ord_01h455vb4pex5vsknk084sn03r",
      },
    },
    language,
  );

/** The rest of what is in a parcel is shown in the shop. */
const linesShownMax = 20;

const linesText = (lines: readonly { sku: string; quantity: string }[]): string =>
  [
    ...lines.slice(0, linesShownMax).map(({ sku, quantity }) => `${quantity} × ${sku}`),
    ...(lines.length > linesShownMax ? ["…"] : []),
  ].join(", ");

/** As the language writes it; the digits after the point are those of the currency (ISO 4217). */
export function formatMoney({ currencyCode, minorUnits }: Money, language: string): string {
  const format = new Intl.NumberFormat(language, { style: "currency", currency: currencyCode });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  const padded = minorUnits.padStart(digits + 1, "0");
  const decimal = digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
  return format.format(decimal as Intl.StringNumericLiteral);
}

/** Mails are wanted until somebody says otherwise, all else is not until somebody says so. */
export const isWantedByDefault = (channel: Channel): boolean => channel === "email";

export interface Preference {
  fact: Fact;
  channel: Channel;
  enabled: boolean;
}

/** One for each fact and channel: what was said, or what holds without it. */
export function effectivePreferences(said: readonly Preference[]): Preference[] {
  return facts.flatMap((fact) =>
    channels.map((channel) => {
      const own = said.find((preference) => preference.fact === fact && preference.channel === channel);
      return own ?? { fact, channel, enabled: isWantedByDefault(channel) };
    }),
  );
}

/** Nobody wants to be told of what was long ago: after a stop, and where old events are sent again. */
export const factAgeMsMax = 24 * 3_600_000;
