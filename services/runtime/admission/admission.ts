// Who is let in. Beyond what the process can answer in time a call is refused at once, before its body is read:
// the caller learns soon that it must come later, and the calls that were let in keep their pace.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { nextLimit, type LimitBounds } from "./concurrency-limit.ts";

export interface AdmissionLimits extends LimitBounds {
  /** Calls at once that mostly wait: open streams, and bodies that come slowly. */
  waitingMax: number;
}

/** A call that was let in. */
export interface AdmittedCall {
  /** The call is over. More than once is once. */
  leave(): void;
  /** The call is a stream: from now on it counts with those that wait. False where too many of them wait. */
  becomeStream(): boolean;
}

/** What is known of a request's body: whether all of it has come. */
export interface Arriving {
  readonly complete: boolean;
}

export interface AdmissionState {
  inHand: number;
  waiting: number;
  limit: number;
}

export interface Admission {
  /** Lets a call in; undefined where there are too many. */
  enter(request: Arriving): AdmittedCall | undefined;
  /** The same for a stream, whose end may be far away. */
  enterStream(): AdmittedCall | undefined;
  state(): AdmissionState;
  close(): void;
}

interface Held {
  startedMs: number;
  request: Arriving;
  place: "in_hand" | "waiting" | "gone";
}

const sampleEveryMs = 200;
/** With fewer the ninetieth percentile is chance. */
const samplesMin = 10;
/** Where there is no reason yet to think of more or less. */
const callsAtFirst = 256;
/** A body that takes longer makes its call one that waits: a caller that sends slowly must not take a place from others. */
const bodyMsMax = 1_000;
const loopDelayResolutionMs = 10;
const logEveryMs = 5_000;

/** One a process, for all its ports. */
export function createAdmission(options: { limits: AdmissionLimits; metrics: Metrics; log: Logger }): Admission {
  const { limits, log } = options;
  const report = createReport(options);
  const held = new Set<Held>();
  const loopDelay = monitorEventLoopDelay({ resolution: loopDelayResolutionMs });
  loopDelay.enable();
  let limit = Math.min(callsAtFirst, limits.callsMax);
  let waiting = 0;
  let heldMs: number[] = [];
  let inHandMax = 0;
  const state = (): AdmissionState => ({ inHand: held.size, waiting, limit });

  const wait = (call: Held): boolean => {
    if (call.place === "in_hand" && waiting < limits.waitingMax) {
      call.place = "waiting";
      held.delete(call);
      waiting += 1;
    }
    return call.place !== "in_hand";
  };
  const leave = (call: Held): void => {
    if (call.place === "in_hand") heldMs.push(performance.now() - call.startedMs);
    if (call.place === "waiting") waiting -= 1;
    call.place = "gone";
    held.delete(call);
  };
  const enter = (request: Arriving, isStream: boolean): AdmittedCall | undefined => {
    if (held.size >= limit || (isStream && waiting >= limits.waitingMax)) {
      report.refused();
      return undefined;
    }
    const call: Held = { startedMs: performance.now(), request, place: "in_hand" };
    held.add(call);
    if (isStream) wait(call);
    else inHandMax = Math.max(inHandMax, held.size);
    return { leave: () => leave(call), becomeStream: () => wait(call) };
  };
  const setSlowAside = (nowMs: number): void => {
    for (const call of held) {
      // In the order of their beginning: those after it are younger.
      if (nowMs - call.startedMs < bodyMsMax) break;
      if (!call.request.complete) wait(call);
    }
  };

  const sample = (): void => {
    const nowMs = performance.now();
    setSlowAside(nowMs);
    // Calls that hang would otherwise not be heard of before they end.
    const late = [...held].map(({ startedMs }) => nowMs - startedMs).filter((ageMs) => ageMs > limits.targetMs);
    report.state(state());
    const loopDelayMs = Math.max(0, loopDelay.percentile(90) / 1e6 - loopDelayResolutionMs);
    // Of this sample alone: how the loop came round while nobody called says nothing of those who call now.
    loopDelay.reset();
    if (heldMs.length + late.length < samplesMin) return;
    limit = nextLimit(limit, { heldMs: [...heldMs, ...late], inHandMax, loopDelayMs }, limits);
    log.trace({ limit, inHandMax, loopDelayMs, calls: heldMs.length, late: late.length }, "calls_limit");
    heldMs = [];
    inHandMax = held.size;
  };
  const timer = setInterval(sample, sampleEveryMs).unref();

  return {
    enter: (request) => enter(request, false),
    enterStream: () => enter(received, true),
    state,
    close: () => {
      clearInterval(timer);
      loopDelay.disable();
    },
  };
}

const received: Arriving = { complete: true };

/** Figures and a line of the log now and then: a line for each refusal would cost more than the refusal. */
function createReport({ metrics, log }: { metrics: Metrics; log: Logger }) {
  const inHand = metrics.gauge("ordermesh_calls_in_hand", "Calls that are being answered");
  const waiting = metrics.gauge("ordermesh_calls_waiting", "Open streams, and calls whose bodies come slowly");
  const limit = metrics.gauge("ordermesh_calls_limit", "Calls that may be in hand at once");
  const refused = metrics.counter("ordermesh_calls_refused_total", "Calls refused because there were too many");
  let refusals = 0;
  let logAfterMs = 0;
  return {
    refused: (): void => {
      refusals += 1;
    },
    state: (state: AdmissionState): void => {
      inHand.set(state.inHand);
      waiting.set(state.waiting);
      limit.set(state.limit);
      if (refusals === 0) return;
      refused.inc(refusals);
      const nowMs = performance.now();
      if (nowMs >= logAfterMs) log.warn({ refused: refusals, ...state }, "calls_refused");
      if (nowMs >= logAfterMs) logAfterMs = nowMs + logEveryMs;
      refusals = 0;
    },
  };
}
