// What one step of a walk shows, whichever books it looked into.
import { ConnectError } from "@connectrpc/connect";
import type { Discrepancy } from "#gen/ordermesh/audit/v1/audit_pb.ts";
import type { Finding } from "../domain/audit.ts";

/** Rows a page: as many as one question about orders may name. */
export const auditPageSize = 1_000;

export interface AuditPage {
  rowsChecked: number;
  findings: Finding[];
  /** Checks that could not be made for this page, and why. */
  problems: Map<string, string>;
  /** Empty at the end of everything. */
  nextPageToken: string;
}

/** Whose books a walk is in, and how far it has come there. */
export interface AuditPlace {
  tenant: string;
  /** Empty at the beginning. */
  pageToken: string;
}

export const findingOf = ({ check, key, message, figures }: Discrepancy): Finding => ({ check, key, message, figures });

/** The state's name without its enum's. */
export function stateName(states: { value: Readonly<Record<number, { localName: string } | undefined>> }, state: number): string {
  return states.value[state]?.localName ?? "UNSPECIFIED";
}

/** Asks, and where the other cannot be asked says so instead of an answer. Mistakes of our own are thrown. */
export async function asking<Answer>(question: Promise<Answer>): Promise<{ answer: Answer } | { problem: string }> {
  try {
    return { answer: await question };
  } catch (error) {
    if (error instanceof ConnectError) return { problem: error.rawMessage };
    throw error;
  }
}
