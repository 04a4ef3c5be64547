// The order of a history: what led to something comes before it, whatever the clocks of the services say; else by time.
import type { Step } from "./explain-parts.ts";

export interface PlacedStep extends Step {
  /** Of an event: its place among those of its service. */
  sequence?: number;
  /** Id of the event that tells this step, and so comes after it. */
  isBefore?: string;
}

interface Place {
  /** Not before anything that led to it. Milliseconds since 1970. */
  timeMs: number;
  /** How many steps it took at that time. */
  depth: number;
}

/** Of one time and depth: who acts, what is done, what is told. */
const kindRank: Record<Step["kind"], number> = {
  CALL: 0,
  STATE: 1,
  DECISION: 1,
  STOCK: 1,
  MONEY: 1,
  PARCEL: 1,
  MESSAGE: 1,
  EVENT: 2,
  DEAD_LETTER: 3,
};

export function inOrderOfCause(steps: readonly PlacedStep[]): Step[] {
  const places = placesOf(steps);
  return steps
    .toSorted((one, other) => compare(one, other, places))
    .map(({ sequence: _sequence, isBefore: _isBefore, ...step }) => step);
}

function compare(one: PlacedStep, other: PlacedStep, places: ReadonlyMap<PlacedStep, Place>): number {
  const [first, second] = [places.get(one), places.get(other)];
  return (
    (first?.timeMs ?? 0) - (second?.timeMs ?? 0) ||
    (first?.depth ?? 0) - (second?.depth ?? 0) ||
    kindRank[one.kind] - kindRank[other.kind] ||
    byText(one.service, other.service) ||
    (one.sequence ?? 0) - (other.sequence ?? 0) ||
    byText(one.name, other.name) ||
    byText(one.text, other.text) ||
    byText(one.id, other.id)
  );
}

const byText = (one: string, other: string): number => (one === other ? 0 : one < other ? -1 : 1);

/** Each after all that it comes after; a circle, which only a forged cause can make, is cut where it is met again. */
function placesOf(steps: readonly PlacedStep[]): Map<PlacedStep, Place> {
  const before = predecessors(steps);
  const places = new Map<PlacedStep, Place>();
  const underWay = new Set<PlacedStep>();
  const placeOf = (step: PlacedStep): Place => {
    const known = places.get(step);
    if (known) return known;
    underWay.add(step);
    const place = { timeMs: step.time.getTime(), depth: 0 };
    for (const earlier of before(step)) {
      if (underWay.has(earlier)) continue;
      const { timeMs, depth } = placeOf(earlier);
      if (timeMs > place.timeMs) place.depth = 0;
      place.timeMs = Math.max(place.timeMs, timeMs);
      if (timeMs === place.timeMs) place.depth = Math.max(place.depth, depth + 1);
    }
    underWay.delete(step);
    places.set(step, place);
    return place;
  };
  for (const step of steps) placeOf(step);
  return places;
}

/** What has a step's cause as its id, what it tells, and the event that its service has told before. */
function predecessors(steps: readonly PlacedStep[]): (step: PlacedStep) => PlacedStep[] {
  const causes = Map.groupBy(
    steps.filter(({ kind, id }) => (kind === "CALL" || kind === "EVENT") && id !== ""),
    ({ id }) => id,
  );
  const told = Map.groupBy(
    steps.filter(({ isBefore }) => isBefore !== undefined),
    ({ isBefore = "" }) => isBefore,
  );
  const earlier = new Map<PlacedStep, PlacedStep>();
  for (const events of Map.groupBy(steps.filter(isNumbered), ({ service }) => service).values()) {
    const inSequence = events.toSorted((one, other) => (one.sequence ?? 0) - (other.sequence ?? 0));
    for (const [index, event] of inSequence.entries()) {
      const previous = inSequence[index - 1];
      if (previous) earlier.set(event, previous);
    }
  }
  const byId = new Map([...earlier.keys()].map((event) => [event.id, event]));
  return (step) => {
    // What an event tells comes after what its service has told before.
    const previous = earlier.get(byId.get(step.isBefore ?? "") ?? step);
    const tells = step.kind === "EVENT" ? (told.get(step.id) ?? []) : [];
    return [...(causes.get(step.causeId) ?? []), ...tells, ...(previous ? [previous] : [])];
  };
}

const isNumbered = ({ kind, sequence = 0 }: PlacedStep): boolean => kind === "EVENT" && sequence > 0;
