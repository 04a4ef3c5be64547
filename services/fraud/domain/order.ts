// What screening looks at, and the forms in which it compares it.

export interface Money {
  currencyCode: string;
  minorUnits: number;
}

/** What an order shows besides its customer and its total. Texts are empty where nothing was told. */
export interface OrderFacts {
  /** First digits of the card. */
  cardBin: string;
  deviceFingerprint: string;
  /** As emailForm has it. */
  email: string;
  /** ISO 3166-1 alpha-2. */
  countryCode: string;
  /** As postalCodeForm has it. */
  postalCode: string;
  /** SHA-256 of addressForm in hexadecimal. */
  addressHash: string;
  /** Of all lines. */
  units: number;
  lines: number;
}

export interface ScreenedOrder extends OrderFacts {
  tenant: string;
  orderId: string;
  /** Empty where the order names nobody. */
  customerId: string;
  total: Money;
  placeTime: Date;
  /** When it ends unless it is ready; null where that is not known. */
  expireTime: Date | null;
}

/**
 * Addresses of mail are compared in lower case. The local part is the host's to interpret (RFC 5321, section 2.3.11), so that what
 * follows a "+" stays: at some hosts it is another person.
 */
export const emailForm = (text: string): string => text.trim().toLowerCase();

/** The part from "@" on, such as "@example.test"; empty where there is none. */
export const domainOf = (email: string): string => (email.includes("@") ? email.slice(email.lastIndexOf("@")) : "");

/** Spaces and hyphens are written or not. */
export const postalCodeForm = (text: string): string => text.toUpperCase().replaceAll(/[\s-]/g, "");

export interface PostalAddress {
  lines: readonly string[];
  city: string;
  postalCode: string;
  region: string;
  countryCode: string;
}

/** One text for all ways to write an address in the same letters: case, accents' coding, spaces and punctuation do not matter. */
export function addressForm({ lines, city, postalCode, region, countryCode }: PostalAddress): string {
  const parts = [lines.join(" "), city, postalCode, region, countryCode];
  return parts
    .map((part) =>
      part
        .normalize("NFKC")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{M}\p{N}]/gu, ""),
    )
    .join("|");
}

/** By what orders belong together. */
export type VelocityBy = "CUSTOMER" | "BIN" | "DEVICE" | "ADDRESS" | "EMAIL";

/** What an order has of a kind; empty where it has nothing, and then nothing in common with any other. */
export function valueOf(order: ScreenedOrder, by: VelocityBy): string {
  switch (by) {
    case "CUSTOMER":
      return order.customerId;
    case "BIN":
      return order.cardBin;
    case "DEVICE":
      return order.deviceFingerprint;
    case "ADDRESS":
      return order.addressHash;
    case "EMAIL":
      return order.email;
  }
}

const wholes = new Intl.NumberFormat("en-US");
const hundredths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2 });

/** ISO 4217: yen have no smaller unit, the other currencies that we know have hundredths. */
export function moneyText({ currencyCode, minorUnits }: Money): string {
  const amount = currencyCode === "JPY" ? wholes.format(minorUnits) : hundredths.format(minorUnits / 100);
  return `${amount} ${currencyCode}`;
}
