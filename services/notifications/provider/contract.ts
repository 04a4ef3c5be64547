// Who carries a message to a customer, by channel. Mail goes by the runtime's mailers.
export interface ShortMessage {
  /** A telephone number for an SMS, the customer's id for a push message. */
  to: string;
  title: string;
  text: string;
  /** The same for every repeat of one message. */
  idempotencyKey: string;
}

export interface Carrier<Message> {
  name: string;
  /** Whether repeats under the same key are one message. */
  isIdempotent: boolean;
  /** Resolves where it was taken; throws MailNotSent where it certainly was not, anything else where that is unknown. */
  send(message: Message): Promise<void>;
}
