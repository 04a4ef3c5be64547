// What customers are told in German.
import type { Texts } from "./default-texts-en.ts";
import type { Fact } from "./facts.ts";

const greeting = "Guten Tag {{customer_name}},";

export const german: Readonly<Record<Fact, Texts>> = {
  created: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} ist eingegangen",
    paragraphs: [
      "vielen Dank für Ihre Bestellung {{order_id}} über {{total}}.",
      "Wir melden uns, sobald sie bestätigt ist, und noch einmal, wenn sie unterwegs ist.",
    ],
    short: "Ihre Bestellung {{order_id}} über {{total}} ist eingegangen.",
  },
  payment_action_required: {
    greeting,
    subject: "Bitte Zahlung bestätigen: {{order_id}}",
    paragraphs: [
      "Ihre Bank möchte, dass Sie die Zahlung von {{total}} für Ihre Bestellung {{order_id}} bestätigen.",
      "Bitte öffnen Sie die Bestellung in unserem Shop und folgen Sie dem, was Ihre Bank verlangt. Sonst endet die Bestellung von selbst, und nichts wird abgebucht.",
    ],
    short: "Bitte bestätigen Sie die Zahlung Ihrer Bestellung {{order_id}} in unserem Shop.",
  },
  ready: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} ist bestätigt",
    paragraphs: ["Ihre Bestellung {{order_id}} ist bestätigt und bezahlt. Wir packen sie jetzt."],
    short: "Ihre Bestellung {{order_id}} ist bestätigt.",
  },
  shipped: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} ist unterwegs",
    paragraphs: ["Ihre Bestellung {{order_id}} ist beim Zusteller.", "Sendungsnummer: {{tracking_number}}"],
    short: "Ihre Bestellung {{order_id}} ist unterwegs, Sendungsnummer {{tracking_number}}.",
  },
  delivered: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} ist angekommen",
    paragraphs: ["Ihre Bestellung {{order_id}} wurde zugestellt. Wir hoffen, dass sie Ihnen gefällt."],
    short: "Ihre Bestellung {{order_id}} wurde zugestellt.",
  },
  cancelled: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} ist storniert",
    paragraphs: [
      "Ihre Bestellung {{order_id}} ist storniert, es wird nichts davon versandt.",
      "Was dafür auf Ihrer Karte vorgemerkt war, geben wir frei.",
    ],
    short: "Ihre Bestellung {{order_id}} ist storniert.",
  },
  refunded: {
    greeting,
    subject: "Erstattung für Ihre Bestellung {{order_id}}",
    paragraphs: [
      "wir haben {{refund_amount}} für Ihre Bestellung {{order_id}} erstattet. Bis Ihre Bank das zeigt, können einige Tage vergehen.",
    ],
    short: "Wir haben {{refund_amount}} für Ihre Bestellung {{order_id}} erstattet.",
  },
};
