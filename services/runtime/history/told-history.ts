// What a service tells of an order from its own tables. It is shown to operators, and still when the customer is erased: so it names
// no person and repeats nothing that one has written.

export type ToldKind = "STATE" | "DECISION" | "STOCK" | "MONEY" | "PARCEL" | "MESSAGE";

/** Something that has happened. */
export interface ToldFact {
  kind: ToldKind;
  /** Such as CAPTURE. */
  name: string;
  /** Of the row; absent where it has none but the order's. */
  id?: string;
  time: Date;
  /** In words. */
  text: string;
  /**
   * Name of the event by which the service tells it, such as PaymentCaptured, or of the call that made it. The first such fact is told
   * by the first event of that name, the second by the second.
   */
  toldBy?: string;
  /** Id of the event that led to it, where the row has it. */
  causeId?: string;
}

/** Something to come. */
export interface ToldWait {
  /** What, in words that follow "waits for". */
  text: string;
  /** Until when at the latest; absent where no time ends it. */
  until?: Date | undefined;
  /** What somebody may do about it, such as a route. */
  nextStep?: string;
  /** Whose turn it is, where that is another service. */
  service?: string;
}

export interface ToldHistory {
  /** At most factsMax + 1, oldest first: one too many says that there are more. */
  facts: ToldFact[];
  waits: ToldWait[];
  /** Ids of what belongs to the order and is called by itself, such as its returns. */
  resources?: string[];
  /** Told by the one service that decides about orders, where it knows the order. */
  standing?: { state: string; isFinal: boolean };
}

export interface AskedOrder {
  tenant: string;
  orderId: string;
}

/** By one statement, so that what it takes does not tell whether the order is there. */
export type TellHistory = (order: AskedOrder) => Promise<ToldHistory>;

export const factsMax = 200;

/** Amounts as people read them here: in the smallest unit of their currency. */
export const amountText = (minorUnits: number, currencyCode: string): string => `${minorUnits} minor units of ${currencyCode}`;
