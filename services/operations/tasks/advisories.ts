// What the server tells about messages that it will not deliver any more. Whoever may publish can forge it, and what
// cannot be filed would come again for ever; so nothing goes on from here that the tables or the server would refuse.
import { eventStream } from "#runtime/events/streams.ts";
import { relayConsumer } from "../store/letters/names.ts";
import type { ToldFailure } from "./failures.ts";

export type Advisory = { kind: "failure"; failure: ToldFailure } | { kind: "other" } | { kind: "unreadable" };

const reasonPattern = /^dead-letter: ([A-Z0-9_]{1,100}): (.*)$/s;

const isText = (value: unknown): value is string => typeof value === "string" && value.length <= 1_000;
const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const consumerPattern = /^[\x21-\x7e]{1,128}$/;
const attemptsMax = 1_000_000;
const timeMin = Date.UTC(1970, 0, 1);
const timeMax = Date.UTC(9999, 11, 31);

/** Messages that are only deleted are told of as well, without our reason, and so are other streams; both are nothing to us. */
export function readAdvisory(payload: Uint8Array): Advisory {
  const advisory = parse(payload);
  const { type, stream, consumer, stream_seq: streamSequence, deliveries, timestamp, reason } = advisory;
  const time = isText(timestamp) ? Date.parse(timestamp) : Number.NaN;
  if (!isText(type) || !isText(stream) || !isText(consumer) || !isCount(streamSequence)) return { kind: "unreadable" };
  if (!(time >= timeMin && time <= timeMax) || !consumerPattern.test(consumer)) return { kind: "unreadable" };
  if (stream !== eventStream || consumer === relayConsumer || streamSequence === 0) return { kind: "other" };
  const attempts = isCount(deliveries) ? Math.min(deliveries, attemptsMax) : 0;
  const about = { stream, consumer, streamSequence, attempts, time: new Date(time), source: "advisory" as const };
  if (type.endsWith(".max_deliver")) {
    const message = `it was delivered ${attempts} times and never acknowledged`;
    return { kind: "failure", failure: { ...about, code: "DELIVERIES_EXHAUSTED", message } };
  }
  const [, code, message] = reasonPattern.exec(typeof reason === "string" ? reason : "") ?? [];
  if (!type.endsWith(".terminated") || code === undefined || message === undefined) return { kind: "other" };
  return { kind: "failure", failure: { ...about, code, message } };
}

function parse(payload: Uint8Array): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
