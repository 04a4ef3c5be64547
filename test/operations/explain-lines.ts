// An explanation as lines that are the same whenever an order has the same fate: without ids and times, and with what services do
// beside each other in one order. Written anew by: WRITE_EXPLANATIONS=1 npx vitest run test/operations/explain.test.ts
import { readFile, writeFile } from "node:fs/promises";
import {
  EventOutcomeSchema,
  OrderStandingSchema,
  OrderStepKind,
  OrderStepKindSchema,
  type OrderExplanation,
  type OrderStep,
} from "#gen/ordermesh/operations/v1/order_explanation_pb.ts";

export const writesExplanations = process.env["WRITE_EXPLANATIONS"] === "1";

const pathOf = (fate: string): URL => new URL(`explained/${fate}.txt`, import.meta.url);

export const writeExplanation = (fate: string, text: string): Promise<void> => writeFile(pathOf(fate), text);
export const readExplanation = (fate: string): Promise<string> => readFile(pathOf(fate), "utf8");

const withoutIds = (text: string): string =>
  text
    .replaceAll(/\b([a-z]{3,4})_[0-9a-z]{26}\b/g, "<$1>")
    .replaceAll(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replaceAll(/number [A-Z0-9-]+/g, "number <number>");

const services = ["orders", "inventory", "fraud", "payments", "shipping", "notifications"];

export function explanationText({ state, conclusion, steps, waits, missing, cut }: OrderExplanation): string {
  // Several calls of one request have its id; it was orders that was called.
  const names = new Map(steps.toSorted(ordersLast).map(({ id, name }) => [id, name]));
  const own = services.flatMap((service) => {
    const lines = letterLast(steps.filter((step) => step.service === service)).map((step) => stepLine(step, names));
    // Several events lead to a message each, beside each other.
    return service === "notifications" ? lines.toSorted() : lines;
  });
  const rest = steps.filter(({ service }) => !services.includes(service)).map((step) => stepLine(step, names));
  const lines = [
    state,
    `${OrderStandingSchema.value[conclusion?.standing ?? 0]?.localName} ${conclusion?.text}`,
    ...(conclusion?.nextStep ? [`next: ${conclusion.nextStep}`] : []),
    "",
    ...own,
    ...rest,
    "",
    ...waits.map(({ service, text, nextStep }) => `${service}: ${text}${nextStep ? ` (${nextStep})` : ""}`).toSorted(),
    `missing: ${missing.join(", ")}; cut: ${cut.join(", ")}`,
  ];
  return `${withoutIds(lines.join("\n"))}\n`;
}

/** What becomes of a letter is written down beside what the event leads to. */
const letterLast = (steps: readonly OrderStep[]): OrderStep[] => {
  const isLetter = ({ kind }: OrderStep): boolean => kind === OrderStepKind.DEAD_LETTER;
  return [...steps.filter((step) => !isLetter(step)), ...steps.filter(isLetter)];
};

const ordersLast = (one: OrderStep, other: OrderStep): number =>
  Number(one.service === "orders") - Number(other.service === "orders");

function stepLine({ kind, service, name, text, causeId, handledBy }: OrderStep, names: ReadonlyMap<string, string>): string {
  const handled = handledBy
    .map((by) => `${by.service} ${EventOutcomeSchema.value[by.outcome]?.localName} ${by.attempts}`)
    .toSorted();
  return [
    `${service} ${OrderStepKindSchema.value[kind]?.localName} ${name}`,
    causeText(name, causeId, names),
    `: ${text}`,
    ...(handled.length > 0 ? [` [${handled.join(", ")}]`] : []),
  ].join("");
}

/** Stock and screening are asked at once, and whichever answers last leads on. */
const bothNeeded = new Set(["StockReserved", "FraudCleared"]);

function causeText(name: string, causeId: string, names: ReadonlyMap<string, string>): string {
  if (causeId === "") return "";
  const cause = names.get(causeId) ?? "what is not of the order";
  return ` <- ${name === "OrderPaymentDue" && bothNeeded.has(cause) ? [...bothNeeded].join(" or ") : cause}`;
}

/** Names of steps that stand before what led to them; none where the order is that of cause. */
export function tooEarly({ steps }: OrderExplanation): string[] {
  const isCause = ({ kind }: OrderStep): boolean => kind === OrderStepKind.CALL || kind === OrderStepKind.EVENT;
  return steps.flatMap(({ name, causeId }, index) =>
    steps.slice(index).some((later) => isCause(later) && causeId !== "" && later.id === causeId) ? [name] : [],
  );
}
