// One order for the entries of many logs: newest first, and at the same moment by service, then by id.

export interface Place {
  timeMs: number;
  service: string;
  id: bigint;
}

/** Above every id. */
const idMax = 2n ** 63n - 1n;

/** Below zero where the one comes first. */
export function inOrder(one: Place, other: Place): number {
  if (one.timeMs !== other.timeMs) return other.timeMs - one.timeMs;
  if (one.service !== other.service) return one.service < other.service ? -1 : 1;
  return one.id > other.id ? -1 : 1;
}

/** Of a service's entries at the moment of the place, those with an id below come after it. */
export function idBelow(place: Place, service: string): bigint {
  if (service === place.service) return place.id;
  return service > place.service ? idMax : 0n;
}
