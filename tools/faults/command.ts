// A command as a client sends it that wants to know: repeated under the same key until somebody answers yes or no.
import { setTimeout as sleep } from "node:timers/promises";
import { clientTokens, fetchWith } from "../operator.ts";

export type Outcome =
  | { kind: "accepted"; body: Record<string, unknown> }
  | { kind: "refused"; status: number; reason: string }
  /** The time was over, and nobody had answered. */
  | { kind: "unknown" };

export interface Command {
  /** POST where it is not said. */
  method?: "POST" | "PUT";
  path: string;
  body: object;
  key?: string;
  /** More headers, made anew for each attempt of the text that is sent. */
  headers?: (body: string) => Record<string, string>;
}

export interface Sender {
  send(command: Command, options?: { isPassing?: (refused: { status: number; reason: string }) => boolean }): Promise<Outcome>;
  /** Reads once; undefined where nothing was answered. */
  read(path: string): Promise<Record<string, unknown> | undefined>;
  /** Attempts that had no answer, or one that says to try again. */
  attemptsWithoutAnswer(): number;
}

const attemptTimeoutMs = 10_000;
const retryMsMin = 200;
const retryMsMax = 2_000;
/** Such answers say that the command may be sent again, or that its outcome is unknown. */
const tryAgain = new Set([408, 425, 429, 499]);

/** Sends as the operator of the installation, or as another client that is given. */
export function createSender(
  url: string,
  signal: AbortSignal,
  client: { clientId?: string; clientSecret?: string } = {},
): Sender {
  let withoutAnswer = 0;
  const asOperator = fetchWith(url, clientTokens({ edgeUrl: url, ...client }));

  const attempt = async ({
    method = "POST",
    path,
    body,
    key,
    headers,
  }: Command): Promise<Exclude<Outcome, { kind: "unknown" }> | undefined> => {
    const text = JSON.stringify(body);
    const keyHeader = key === undefined ? {} : { "idempotency-key": key };
    try {
      const answer = await asOperator(path, {
        method,
        headers: { "content-type": "application/json", ...keyHeader, ...headers?.(text) },
        body: text,
        signal: AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]),
      });
      const read = (await answer.json()) as Record<string, unknown>;
      if (answer.ok) return { kind: "accepted", body: read };
      if (answer.status >= 500 || tryAgain.has(answer.status)) return undefined;
      return { kind: "refused", status: answer.status, reason: reasonOf(read) };
    } catch {
      return undefined;
    }
  };

  return {
    attemptsWithoutAnswer: () => withoutAnswer,
    read: async (path) => {
      try {
        const answer = await asOperator(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]) });
        return answer.ok ? ((await answer.json()) as Record<string, unknown>) : undefined;
      } catch {
        return undefined;
      }
    },
    send: async (command, { isPassing = () => false } = {}) => {
      for (let waitMs = retryMsMin; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
        const outcome = await attempt(command);
        const isFinal = outcome && !(outcome.kind === "refused" && isPassing(outcome));
        if (isFinal) return outcome;
        if (!outcome) withoutAnswer += 1;
        await sleep(waitMs, undefined, { signal }).catch(() => {});
      }
      return { kind: "unknown" };
    },
  };
}

function reasonOf(body: Record<string, unknown>): string {
  const details = (body["details"] ?? []) as { reason?: string }[];
  return details.find(({ reason }) => reason !== undefined)?.reason ?? "";
}
