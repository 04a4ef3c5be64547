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
  changed: {
    greeting,
    subject: "Your order {{order_id}} is changed",
    paragraphs: [
      "your order {{order_id}} is changed as you wished. It comes to {{new_total}} now.",
      "If you have not asked for this, please tell us before it is on its way.",
    ],
    short: "Your order {{order_id}} is changed and comes to {{new_total}} now.",
  },
  change_refused: {
    greeting,
    subject: "We could not change your order {{order_id}}",
    paragraphs: [
      "we could not change your order {{order_id}} as you wished ({{refusal_reason}}). It stays as it was.",
      "You can see in our shop what is still possible, and try again until it is on its way.",
    ],
    short: "Your order {{order_id}} could not be changed ({{refusal_reason}}) and stays as it was.",
  },
  parcel_shipped: {
    greeting,
    subject: "A parcel of your order {{order_id}} is on its way",
    paragraphs: [
      "your order {{order_id}} comes in several parcels, and one of them is with the carrier. In it: {{parcel_lines}}",
      "Tracking number: {{tracking_number}}",
      "We tell you of each parcel when it is on its way.",
    ],
    short: "A parcel of your order {{order_id}} is on its way, tracking number {{tracking_number}}.",
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
  return_approved: {
    greeting,
    subject: "You can send goods of order {{order_id}} back",
    paragraphs: [
      "you can send the goods of your return {{return_id}} of order {{order_id}} back to us.",
      "Please open the return in our shop: it says where to send them and what else matters.",
    ],
    short: "You can send back the goods of your return {{return_id}}. Our shop says where to.",
  },
  return_rejected: {
    greeting,
    subject: "Your return of order {{order_id}} is not possible",
    paragraphs: [
      "we cannot take back the goods of your return {{return_id}} of order {{order_id}}.",
      "Please open the return in our shop: it says why. Nothing is paid back for it.",
    ],
    short: "Your return {{return_id}} of order {{order_id}} is not possible. Our shop says why.",
  },
  return_received: {
    greeting,
    subject: "Your return of order {{order_id}} is here",
    paragraphs: [
      "the goods of your return {{return_id}} of order {{order_id}} are here, and we have looked at them.",
      "We give back {{refund_amount}} for them.",
    ],
    short: "Your return {{return_id}} of order {{order_id}} is here. We give back {{refund_amount}}.",
  },
  exchange_placed: {
    greeting,
    subject: "What you wanted instead is ordered: {{exchange_order_id}}",
    paragraphs: [
      "what you wanted instead of the goods of your return {{return_id}} is ordered: {{exchange_order_id}}.",
      "It is an order of its own, and we tell you of it as of any other.",
    ],
    short: "What you wanted instead of your return {{return_id}} is ordered: {{exchange_order_id}}.",
  },
  refunded: {
    greeting,
    subject: "Money back for your order {{order_id}}",
    paragraphs: ["we have given back {{refund_amount}} for your order {{order_id}}. Your bank may take some days to show it."],
    short: "We have given back {{refund_amount}} for your order {{order_id}}.",
  },
};
