// What was accepted keeps its pace: while events wait too long, a service takes on no work that would make more of them.
import { Code } from "@connectrpc/connect";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { reasonOf, refuse } from "./errors.ts";
import type { ServiceRuntime } from "./service.ts";
import { numberSetting } from "./settings.ts";

/** Spread, so that those who were refused together do not come back together. Milliseconds. */
const retryMsMin = 1_000;
const retryMsSpread = 2_000;

const reason = "BACKLOG";

/** True where a service has more to do than it can: it is alive, and its other replicas are no better off. */
export function isBacklog(error: unknown): boolean {
  return reasonOf(error) === reason;
}

/** A check that refuses with UNAVAILABLE and the reason BACKLOG while the oldest event waits longer than the setting says. */
export function refuseBacklog({ env, backlogMs }: Pick<ServiceRuntime<never>, "env" | "backlogMs">): () => void {
  const waitMsMax = numberSetting(env, "ORDERMESH_BACKLOG_MS_MAX", { fallback: 5_000, min: 100, max: 3_600_000 });
  return () => {
    const waitMs = backlogMs();
    if (waitMs <= waitMsMax) return;
    const retryMs = retryMsMin + Math.floor(Math.random() * retryMsSpread);
    const retryDelay = { seconds: BigInt(Math.floor(retryMs / 1_000)), nanos: (retryMs % 1_000) * 1_000_000 };
    throw refuse(Code.Unavailable, reason, "what was accepted before is worked on first, try again later", {}, [
      { desc: RetryInfoSchema, value: { retryDelay } },
    ]);
  };
}
