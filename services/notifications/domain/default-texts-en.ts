// What customers are told in English.
import type { Fact } from "./facts.ts";

/** The paragraphs of a mail, and the one sentence of the other channels. */
export interface Texts {
  greeting: string;
  subject: string;
  paragraphs: readonly string[];
  short: string;
}

const greeting = "Hello {{customer_name}},";

export const english: Readonly<Record<Fact, Texts>> = {
  created: {
    greeting,
    subject: "We have your order {{order_id}}",
    paragraphs: [
      "thank you for your order {{order_id}} of {{total}}.",
      "We tell you as soon as it is confirmed, and again when it is on its way.",
    ],
    short: "We have your order {{order_id}} of {{total}}.",
  },
  payment_action_required: {
    greeting,
    subject: "Confirm the payment of order {{order_id}}",
    paragraphs: [
      "your bank wants you to confirm the payment of {{total}} for your order {{order_id}}.",
      "Please open the order in our shop and follow what your bank asks. Without it the order ends by itself, and nothing is charged.",
    ],
    short: "Please confirm the payment of your order {{order_id}} in our shop.",
  },
  ready: {
    greeting,
    subject: "Your order {{order_id}} is confirmed",
    paragraphs: ["your order {{order_id}} is confirmed and paid. We are packing it now."],
    short: "Your order {{order_id}} is confirmed.",
  },
  shipped: {
    greeting,
    subject: "Your order {{order_id}} is on its way",
    paragraphs: ["your order {{order_id}} is with the carrier.", "Tracking number: {{tracking_number}}"],
    short: "Your order {{order_id}} is on its way, tracking number {{tracking_number}}.",
  },
  delivered: {
    greeting,
    subject: "Your order {{order_id}} has arrived",
    paragraphs: ["your order {{order_id}} has been delivered. We hope that you like it."],
    short: "Your order {{order_id}} has been delivered.",
  },
  cancelled: {
    greeting,
    subject: "Your order {{order_id}} is cancelled",
    paragraphs: [
      "your order {{order_id}} is cancelled, and nothing of it will be sent.",
      "What was held on your card for it is given back.",
    ],
    short: "Your order {{order_id}} is cancelled.",
  },
  refunded: {
    greeting,
    subject: "Money back for your order {{order_id}}",
    paragraphs: ["we have given back {{refund_amount}} for your order {{order_id}}. Your bank may take some days to show it."],
    short: "We have given back {{refund_amount}} for your order {{order_id}}.",
  },
};
