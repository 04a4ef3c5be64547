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
  changed: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} ist geändert",
    paragraphs: [
      "Ihre Bestellung {{order_id}} ist geändert, wie Sie es gewünscht haben. Sie kostet jetzt {{new_total}}.",
      "Wenn Sie das nicht gewünscht haben, sagen Sie es uns bitte, bevor sie unterwegs ist.",
    ],
    short: "Ihre Bestellung {{order_id}} ist geändert und kostet jetzt {{new_total}}.",
  },
  change_refused: {
    greeting,
    subject: "Ihre Bestellung {{order_id}} konnten wir nicht ändern",
    paragraphs: [
      "wir konnten Ihre Bestellung {{order_id}} nicht so ändern, wie Sie es gewünscht haben ({{refusal_reason}}). Sie bleibt, wie sie war.",
      "In unserem Shop sehen Sie, was noch möglich ist. Bis sie unterwegs ist, können Sie es noch einmal versuchen.",
    ],
    short: "Ihre Bestellung {{order_id}} konnten wir nicht ändern ({{refusal_reason}}). Sie bleibt, wie sie war.",
  },
  parcel_shipped: {
    greeting,
    subject: "Ein Paket Ihrer Bestellung {{order_id}} ist unterwegs",
    paragraphs: [
      "Ihre Bestellung {{order_id}} kommt in mehreren Paketen, und eines davon ist beim Zusteller. Darin: {{parcel_lines}}",
      "Sendungsnummer: {{tracking_number}}",
      "Wir melden uns zu jedem Paket, sobald es unterwegs ist.",
    ],
    short: "Ein Paket Ihrer Bestellung {{order_id}} ist unterwegs, Sendungsnummer {{tracking_number}}.",
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
  return_approved: {
    greeting,
    subject: "Rücksendung möglich: Bestellung {{order_id}}",
    paragraphs: [
      "Sie können uns die Ware Ihrer Rücksendung {{return_id}} zur Bestellung {{order_id}} schicken.",
      "Bitte öffnen Sie die Rücksendung in unserem Shop: Dort steht, wohin, und was sonst wichtig ist.",
    ],
    short: "Sie können uns die Ware Ihrer Rücksendung {{return_id}} schicken. Wohin, steht in unserem Shop.",
  },
  return_rejected: {
    greeting,
    subject: "Rücksendung nicht möglich: Bestellung {{order_id}}",
    paragraphs: [
      "die Ware Ihrer Rücksendung {{return_id}} zur Bestellung {{order_id}} können wir nicht zurücknehmen.",
      "Bitte öffnen Sie die Rücksendung in unserem Shop: Dort steht, warum. Erstattet wird dafür nichts.",
    ],
    short: "Ihre Rücksendung {{return_id}} zur Bestellung {{order_id}} ist nicht möglich. Warum, steht in unserem Shop.",
  },
  return_received: {
    greeting,
    subject: "Ihre Rücksendung zur Bestellung {{order_id}} ist da",
    paragraphs: [
      "die Ware Ihrer Rücksendung {{return_id}} zur Bestellung {{order_id}} ist da, und wir haben sie geprüft.",
      "Wir erstatten dafür {{refund_amount}}.",
    ],
    short: "Ihre Rücksendung {{return_id}} zur Bestellung {{order_id}} ist da. Wir erstatten {{refund_amount}}.",
  },
  exchange_placed: {
    greeting,
    subject: "Ihr Umtausch ist bestellt: {{exchange_order_id}}",
    paragraphs: [
      "was Sie statt der Ware Ihrer Rücksendung {{return_id}} möchten, ist bestellt: {{exchange_order_id}}.",
      "Das ist eine eigene Bestellung, und wir melden uns dazu wie zu jeder anderen.",
    ],
    short: "Was Sie statt Ihrer Rücksendung {{return_id}} möchten, ist bestellt: {{exchange_order_id}}.",
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
