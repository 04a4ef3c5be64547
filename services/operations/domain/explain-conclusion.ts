// What a history comes to: whether the order is over, what it waits for, or what has stopped it.
import type { SeenLetter, SeenOrder, ServiceHistory, Step, ToldWait } from "./explain-parts.ts";

export interface Conclusion {
  standing: "WAITING" | "STOPPED" | "FINAL" | "UNKNOWN";
  text: string;
  until: Date | undefined;
  nextStep: string;
}

/** All that is still to come; what is said twice is said once. */
export function waitsOf({ services }: Pick<SeenOrder, "services">, steps: readonly Step[]): ToldWait[] {
  const waits = [...services.flatMap(({ waits }) => waits), ...services.flatMap(plannedWaits), ...unhandledWaits(steps)];
  return [...new Map(waits.toReversed().map((wait) => [`${wait.service} ${wait.text}`, wait])).values()].toReversed();
}

const plannedWaits = ({ service, planned }: ServiceHistory): ToldWait[] =>
  planned.map(({ kind, dueTime, attempts }) => {
    const tried = attempts > 0 ? `, begun ${attempts} times` : "";
    return { service, text: `its planned work ${kind}${tried}`, until: dueTime, nextStep: "" };
  });

const unhandledWaits = (steps: readonly Step[]): ToldWait[] =>
  steps.flatMap(({ name, handledBy }) =>
    handledBy
      .filter(({ outcome }) => outcome === "NOT_YET")
      .map(({ service }) => ({ service, text: `its turn to handle ${name}`, until: undefined, nextStep: "" })),
  );

/** Letters come before all: whatever the order waits for, it may wait in vain. */
export function conclude(order: SeenOrder): Conclusion {
  const decider = order.services.find(({ state }) => state !== "");
  const letter = stoppingLetter(order.letters);
  if (decider?.isFinal) return finalConclusion(decider, letter);
  if (letter) return stoppedBy(letter);
  const parked = order.services.flatMap(({ service, parked }) => parked.map((event) => ({ service, ...event })))[0];
  if (parked) return stoppedByParked(parked);
  const wait = decider?.waits[0];
  if (!decider || !wait) return unknown;
  const theirs = order.services.find(({ service }) => service === wait.service)?.waits ?? [];
  return waiting(wait, wait.service === decider.service ? undefined : theirs[0]);
}

const unknown: Conclusion = {
  standing: "UNKNOWN",
  text: "orders does not know the order, or could not be asked",
  until: undefined,
  nextStep: "",
};

/** One that no other is in front of. */
const stoppingLetter = (letters: readonly SeenLetter[]): SeenLetter | undefined =>
  letters.find(({ state, waitsBehind }) => (state === "open" || state === "redriving") && waitsBehind === "");

const redriveRoute = ({ letterId }: SeenLetter): string => `POST /v1/dead-letters/${letterId}:redrive`;

function finalConclusion({ state, facts }: ServiceHistory, letter: SeenLetter | undefined): Conclusion {
  const last = facts.findLast(({ kind, name }) => kind === "STATE" && name === state);
  const text = `final: ${last?.text ?? `the order is ${state}`}`;
  if (!letter) return { standing: "FINAL", text, until: undefined, nextStep: "" };
  const { letterId, service, code } = letter;
  const beside = `${text}; but ${service} has the dead letter ${letterId}: ${code}`;
  return { standing: "FINAL", text: beside, until: undefined, nextStep: redriveRoute(letter) };
}

function stoppedBy(letter: SeenLetter): Conclusion {
  const { letterId, service, code, state } = letter;
  const what = `dead letter ${letterId} of ${service}: ${code}`;
  if (state === "redriving") {
    return { standing: "WAITING", text: `waits for what becomes of ${what}; it is sent again`, until: undefined, nextStep: "" };
  }
  const text = `stopped: ${what}; mend the cause, then send it again`;
  return { standing: "STOPPED", text, until: undefined, nextStep: redriveRoute(letter) };
}

function stoppedByParked({ service, eventId, code }: { service: string; eventId: string; code: string }): Conclusion {
  const text = `stopped: ${service} holds back the event ${eventId}: ${code}; its dead letter is about to be filed`;
  return { standing: "STOPPED", text, until: undefined, nextStep: `GET /v1/dead-letters?filter.eventId=${eventId}` };
}

/** Whose turn it is knows better until when, and what may be done. */
function waiting(wait: ToldWait, theirs: ToldWait | undefined): Conclusion {
  const until = earliest(wait.until, theirs?.until);
  const time = until ? `, until ${until.toISOString()} at the latest` : "";
  return {
    standing: "WAITING",
    text: `waits for ${wait.text}${time}`,
    until,
    nextStep: wait.nextStep === "" ? (theirs?.nextStep ?? "") : wait.nextStep,
  };
}

const earliest = (one: Date | undefined, other: Date | undefined): Date | undefined =>
  one && other ? (one < other ? one : other) : (one ?? other);
