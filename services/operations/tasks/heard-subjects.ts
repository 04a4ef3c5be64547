// Which messages of the stream some consumer of a service is given.
import type { JetStreamManager } from "@nats-io/jetstream";
import { eventStream } from "#runtime/events/streams.ts";

/** Consumers of services, by the name that they have there. */
export const durablePattern = /^[a-z]+_p\d+$/;

/** Asks the server for the filters of all consumers of services, and answers a test for subjects. */
export async function readHeardSubjects(manager: JetStreamManager): Promise<(subject: string) => boolean> {
  const filters: string[] = [];
  for await (const { name, config } of manager.consumers.list(eventStream)) {
    if (durablePattern.test(name)) filters.push(...(config.filter_subjects ?? []));
  }
  const isHeard = matcherOf(filters);
  return (subject) => isHeard(subject.split("."));
}

/** A test for the tokens of subjects by filters as NATS has them: "*" stands for one token, ">" at the end for one or more. */
function matcherOf(filters: readonly string[]): (tokens: readonly string[]) => boolean {
  const split = filters.map((filter) => filter.split("."));
  return (tokens) => split.some((filter) => matches(filter, tokens));
}

/**
 * Who of many is given a subject. What no filter names, such as the key, is left out of account, so that the answer is remembered for
 * all events of a type in a partition.
 */
export function receiversOf<Receiver extends { filters: readonly string[] }>(
  receivers: readonly Receiver[],
): (subject: string) => readonly Receiver[] {
  const hearing = receivers.map((receiver) => ({ receiver, isGiven: matcherOf(receiver.filters) }));
  const namedTokens = Math.max(0, ...receivers.flatMap(({ filters }) => filters.map(namedIn)));
  const known = new Map<string, Receiver[]>();
  return (subject) => {
    const tokens = subject.split(".");
    const named = `${tokens.length} ${tokens.slice(0, namedTokens).join(".")}`;
    const before = known.get(named);
    if (before) return before;
    const given = hearing.flatMap(({ receiver, isGiven }) => (isGiven(tokens) ? [receiver] : []));
    known.set(named, given);
    return given;
  };
}

/** Tokens up to the last that the filter names. */
const namedIn = (filter: string): number => filter.split(".").findLastIndex((token) => token !== "*" && token !== ">") + 1;

function matches(filter: readonly string[], tokens: readonly string[]): boolean {
  const isOpen = filter.at(-1) === ">";
  const fixed = isOpen ? filter.slice(0, -1) : filter;
  if (isOpen ? tokens.length <= fixed.length : tokens.length !== fixed.length) return false;
  return fixed.every((token, index) => token === "*" || token === tokens[index]);
}
