// What operations tells of books that do not agree, written in the transaction that changes the violation.
import type { Transaction } from "kysely";
import {
  AuditViolationClearedSchema,
  AuditViolationFoundSchema,
} from "#gen/ordermesh/operations/events/v1/operations_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing } from "#runtime/events/outgoing.ts";
import { planAlert } from "../store/alerts.ts";
import { clearUnseen, takeUnannounced, type Violation } from "../store/audit/findings.ts";
import type { OperationsTables } from "../store/tables.ts";

/** A violation has two events: it is found, and it is cleared. */
const foundSequence = 1;
const clearedSequence = 2;

/** What is left over comes with the next page. */
const rowsMax = 1_000;

export async function announceFound(
  tx: Transaction<OperationsTables>,
  { checks, time }: { checks: readonly string[]; time: Date },
): Promise<Violation[]> {
  const found = await takeUnannounced(tx, { checks, rowsMax });
  const events = found.map(({ violationId, check, key, message, figures, tenant, cause }) =>
    outgoing(
      AuditViolationFoundSchema,
      { violationId, check, subject: key, message, figures: Object.entries(figures).map(([name, value]) => ({ name, value })) },
      { tenant, sequence: foundSequence, time, cause },
    ),
  );
  await appendEvents(tx, events);
  const news = found.map(({ violationId, check, tenant, key, message, firstSeenTime: seenTime }) => ({
    violationId,
    check,
    // A mail tells of all tenants.
    key: `${tenant}/${key}`,
    message,
    seenTime,
  }));
  // The last statement, because it holds a row until the commit.
  await planAlert(tx, { now: time, violations: news });
  return found;
}

export async function announceCleared(
  tx: Transaction<OperationsTables>,
  about: { tenant: string; checks: readonly string[]; since: Date; time: Date },
): Promise<Violation[]> {
  const { tenant, checks, since, time } = about;
  const cleared = await clearUnseen(tx, { tenant, checks, since, rowsMax });
  const events = cleared.map(({ violationId, check, cause }) =>
    outgoing(AuditViolationClearedSchema, { violationId, check }, { tenant, sequence: clearedSequence, time, cause }),
  );
  await appendEvents(tx, events);
  return cleared;
}
