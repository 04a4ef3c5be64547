// How much a process takes on.
import { numberSetting, type Environment } from "../settings.ts";
import type { AdmissionLimits } from "./admission.ts";

/** Fewer would leave the process idle between two answers of its database. */
const callsMinDefault = 16;
/** Answers come in time while the loop comes round five times in it. */
const loopShare = 5;

export function readAdmissionLimits(env: Environment): AdmissionLimits {
  const callsMax = numberSetting(env, "ORDERMESH_CALLS_MAX", { fallback: 1_024, min: 1, max: 100_000 });
  const targetMs = numberSetting(env, "ORDERMESH_CALL_TARGET_MS", { fallback: 250, min: 1, max: 60_000 });
  return {
    callsMin: Math.min(callsMinDefault, callsMax),
    callsMax,
    targetMs,
    loopDelayMsMax: targetMs / loopShare,
    waitingMax: numberSetting(env, "ORDERMESH_STREAMS_MAX", { fallback: 10_000, min: 1, max: 1_000_000 }),
  };
}
