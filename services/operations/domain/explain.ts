// The history of one order, put together from what the stream, the letters and the services say of it.
import { eventText } from "./explain-events.ts";
import { inOrderOfCause, type PlacedStep } from "./explain-order.ts";
import type { Handling, SeenEvent, SeenLetter, SeenOrder, ServiceHistory, Step, ToldFact } from "./explain-parts.ts";

const shortName = (typeName: string): string => typeName.slice(typeName.lastIndexOf(".") + 1);
const serviceOf = (typeName: string): string => typeName.split(".")[1] ?? "";

/** Every step of an order, what led to it before it. */
export function stepsOf(order: SeenOrder): Step[] {
  const events = uniqueEvents(order.events).map((event) => eventStep(event, order));
  const calls = order.services.flatMap(callSteps);
  const facts = order.services.flatMap(({ service, facts }) => factSteps(service, facts, [...events, ...calls]));
  return inOrderOfCause([...calls, ...facts, ...events, ...order.letters.flatMap(letterSteps)]);
}

/** What was published twice, or was published while it was asked for, is one event. */
const uniqueEvents = (events: readonly SeenEvent[]): SeenEvent[] => [
  ...new Map(events.toReversed().map((event) => [event.id, event])).values(),
];

function eventStep(event: SeenEvent, order: SeenOrder): PlacedStep {
  const { id, typeName, time, sequence, causeId, traceId, payload, unsent } = event;
  const [service, name] = [serviceOf(typeName), shortName(typeName)];
  const text = `${service} ${eventText(name, payload)}${unsentText(unsent)}`;
  const handledBy = order.services.flatMap((told) => handlingOf(told, event, order.letters));
  return { time, kind: "EVENT", service, name, text, id, causeId, traceId, handledBy, sequence };
}

function unsentText(unsent: string | undefined): string {
  if (unsent === undefined) return "";
  return unsent === "" ? " (not published yet)" : ` (cannot be published: ${unsent})`;
}

/** What a service that hears such events has done with this one. */
function handlingOf(
  { service, heardTypes, handled, parked }: ServiceHistory,
  { id, typeName, unsent }: SeenEvent,
  letters: readonly SeenLetter[],
): Handling[] {
  if (!heardTypes.has(typeName) || unsent !== undefined) return [];
  const done = handled.find(({ eventId }) => eventId === id);
  if (done) return [{ service, outcome: "HANDLED", time: done.time, attempts: done.attempts }];
  // What can never be handled is parked nowhere, and still a letter.
  const held =
    parked.find(({ eventId }) => eventId === id) ?? letters.find((one) => one.service === service && one.eventId === id);
  if (held) return [{ service, outcome: "PARKED", time: undefined, attempts: held.attempts }];
  return [{ service, outcome: "NOT_YET", time: undefined, attempts: 0 }];
}

/** The n-th fact that is told by an event stands right before the n-th event of that name, and has its cause; a call is one itself. */
function factSteps(service: string, facts: readonly ToldFact[], steps: readonly PlacedStep[]): PlacedStep[] {
  const counts = new Map<string, number>();
  return facts.map(({ toldBy, ...fact }) => {
    const nth = counts.get(toldBy) ?? 0;
    counts.set(toldBy, nth + 1);
    const telling = steps
      .filter((step) => step.service === service && step.name === toldBy)
      .toSorted((one, other) => (one.sequence ?? 0) - (other.sequence ?? 0))[nth];
    const step = { ...fact, service, traceId: telling?.traceId ?? "", handledBy: [] };
    if (!telling) return step;
    if (telling.kind === "CALL") return { ...step, causeId: telling.id };
    return { ...step, causeId: telling.causeId, isBefore: telling.id };
  });
}

function callSteps({ service, calls }: ServiceHistory): PlacedStep[] {
  return calls.map(({ method, time, requestId, actor, roles }) => {
    const name = method.slice(method.lastIndexOf("/") + 1);
    const who = roles.includes("customer") ? "a customer" : actor === "" ? "somebody" : actor;
    const text = `${who} called ${name} of ${service}`;
    return { time, kind: "CALL", service, name, text, id: requestId, causeId: "", traceId: "", handledBy: [] };
  });
}

const actionTexts: Record<string, string> = {
  FAILED_AGAIN: "has failed again",
  REDRIVE_ASKED: "is to be sent again",
  REDRIVE_SENT: "was sent again",
  RESOLVED: "has taken effect",
  DISCARDED: "was given up",
};

/** One for each thing that happened to the letter. */
function letterSteps({ letterId, service, eventId, code, attempts, actions }: SeenLetter): PlacedStep[] {
  const captured = `an event became a dead letter, after ${attempts} attempts: ${code}`;
  return actions.map(({ action, actor, time }) => ({
    time,
    kind: "DEAD_LETTER",
    service,
    name: action,
    text: action === "CAPTURED" ? captured : `the dead letter ${actionTexts[action] ?? action}, by ${actor}`,
    id: letterId,
    causeId: eventId,
    traceId: "",
    handledBy: [],
  }));
}
