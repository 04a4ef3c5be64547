// An operation in the sandbox's books: what was asked under a key, and what came of it.
import { createHash, randomUUID } from "node:crypto";

export interface StoredOperation {
  kind: "authorize" | "capture" | "void" | "refund";
  fingerprint: string;
  /** UNREACHABLE plays a provider that never answers for this key; CHALLENGED waits for the buyer. */
  outcome: "AUTHORIZED" | "DECLINED" | "CHALLENGED" | "DONE" | "UNREACHABLE";
  reference: string | null;
  code: string | null;
}

export const newReference = (): string => `sbx_${randomUUID()}`;

/** Of what is asked; the same key with other content is refused. */
export const fingerprintOf = (content: readonly (string | number)[]): string =>
  createHash("sha256").update(JSON.stringify(content)).digest("hex");
