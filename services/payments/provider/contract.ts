// What a payment provider must be able to do. One idempotency key is one operation, however often it is asked for.

import type { BuyerAction } from "../domain/payment.ts";

/** Whole minor units of one currency. */
export interface Amount {
  currencyCode: string;
  minorUnits: number;
}

export type AuthorizationResult =
  | { kind: "authorized"; reference: string }
  | { kind: "declined"; code: string }
  /** The buyer has to act, by its browser, before the provider holds anything under the reference. */
  | { kind: "action_required"; reference: string; action: BuyerAction };

/** What the provider's books say of one hold, in whole minor units. */
export interface Statement {
  currencyCode: string;
  authorized: number;
  voided: number;
  captured: number;
  refunded: number;
}

/** A hold as the provider lists it. */
export interface Charge {
  reference: string;
  /** The key under which it was asked for; a provider that forgets keys is given them as a note on the charge. */
  idempotencyKey: string;
  currencyCode: string;
  authorized: number;
}

export interface ChargePage {
  charges: Charge[];
  /** Reference after which the next page begins; undefined on the last. */
  nextAfter: string | undefined;
}

/** What a provider tells by itself. */
export interface ProviderMessage {
  id: string;
  type: string;
  /** Keys of the authorisations that it is about. */
  idempotencyKeys: string[];
}

export interface PaymentProvider {
  /** As in the address to which its messages are sent. */
  readonly name: string;
  /** Holds the amount. The reference names the hold, and everything that later happens to it. */
  authorize(request: { idempotencyKey: string; amount: Amount; token: string }): Promise<AuthorizationResult>;
  /** True where a hold may be taken in several parts; else the first capture is to be the final one. */
  readonly capturesInParts: boolean;
  /** Takes held money, at most what is held. With the final capture the rest is given back, and nothing more can be taken. */
  capture(request: {
    idempotencyKey: string;
    reference: string;
    amount: Amount;
    isFinal: boolean;
  }): Promise<{ reference: string }>;
  /** Gives back what is held and was not taken. Where the buyer has yet to act nothing can be held any more after it. */
  void(request: { idempotencyKey: string; reference: string }): Promise<{ reference: string }>;
  /** Gives taken money back, never more than was taken. */
  refund(request: { idempotencyKey: string; reference: string; amount: Amount }): Promise<{ reference: string }>;
  /**
   * What came of an authorisation that was asked for under a key; undefined where nothing is held, nor was refused. While the buyer
   * has yet to act, not every provider finds it by its key alone.
   */
  lookup(idempotencyKey: string, reference?: string): Promise<AuthorizationResult | undefined>;
  /** How many holds may be asked for in one statement. */
  readonly statementMax: number;
  /** What the books say of holds, by their references; those that the provider does not know are left out. */
  statement(references: readonly string[]): Promise<Map<string, Statement>>;
  /** Goes through the holds that were made since a time, newest first. Not every provider can. */
  listCharges?(page: { since: Date; after: string | undefined; rowsMax: number }): Promise<ChargePage>;
  /**
   * Reads a message that was sent to us. Not every provider sends any.
   *
   * @throws SignatureInvalid where it is not the provider's, or too old.
   */
  readMessage?(message: { bytes: Uint8Array; headers: Headers }): Promise<ProviderMessage>;
}

/** Tenants have accounts of their own with their provider. */
export type ProviderOf = (tenant: string) => PaymentProvider;

/** No answer: the operation may have happened or not. Repeat it under the same key, or look it up. */
export class ProviderUnavailable extends Error {
  constructor(why: string) {
    super(`payment provider unavailable: ${why}`);
    this.name = "ProviderUnavailable";
  }
}

/** A message that cannot be proved to be the provider's. */
export class SignatureInvalid extends Error {
  override readonly name = "SignatureInvalid";
}

/** The provider has answered that it will not, and has done nothing. It is the last word on its key: a repeat gets the same. */
export class ProviderRefused extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`payment provider refused: ${code}`);
    this.name = "ProviderRefused";
    this.code = code;
  }
}
