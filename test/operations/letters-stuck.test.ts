// Letters that nobody can take: no consumer is there for them, or no way to it.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { operations } from "../../services/operations/main.ts";
import { putOff, readToSend } from "../../services/operations/store/letters/sending.ts";
import type { OperationsTables } from "../../services/operations/store/tables.ts";
import { fileMany } from "../../tools/bench/letters.ts";
import { refusal } from "../support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../support/service-fixture.ts";

let fixture: ServiceFixture<OperationsTables>;
const asking = { reason: "its consumer is gone" };

beforeAll(async () => {
  fixture = await serviceFixture(operations, { as: "operator" });
  await fileMany((work) => fixture.runtime.transaction(work), 1_000);
});

afterAll(() => fixture.close());

const client = () => fixture.client(OperationsService);

/** An open letter that waits behind no other. */
async function anyOpen(): Promise<{ letterId: string; eventId: string }> {
  const { deadLetters } = await client().listDeadLetters({ filter: { state: DeadLetterState.OPEN }, pageSize: 500 });
  const letter = deadLetters.find(({ waitsBehind }) => waitsBehind === "");
  if (!letter) throw new Error("no letter is open");
  return letter;
}

test("a letter that was sent and has no outcome for long can be discarded; one that has just been sent cannot", async () => {
  const { letterId, eventId } = await anyOpen();
  const { redrive } = await client().redriveDeadLetters({ filter: { eventId }, ...asking });
  expect(redrive?.letters).toBe(1n);
  const sentAgo = (time: string) =>
    sql`update dead_letter set sent_time = now() - ${time}::interval where letter_id = ${letterId}`.execute(fixture.runtime.db);
  await sentAgo("1 second");
  expect(await refusal(client().discardDeadLetter({ letterId, ...asking }))).toMatchObject({ reason: "LETTER_REDRIVING" });
  await sentAgo("1 minute");
  const { deadLetter } = await client().discardDeadLetter({ letterId, ...asking });
  expect(deadLetter?.state).toBe(DeadLetterState.DISCARDED);
  const after = await client().getRedrive({ redriveId: redrive?.redriveId ?? "" });
  expect(after.redrive).toMatchObject({ failed: 1n, sent: 0n, waiting: 0n });
  expect(after.redrive?.finishTime).toBeDefined();
});

test.each(["", "\t"])("why must say something: '%s'", async (reason) => {
  const { letterId } = await anyOpen();
  await expect(client().discardDeadLetter({ letterId, reason })).rejects.toThrow(/invalid_argument/);
});

test("letters that could not be sent do not take the places of others", async () => {
  await client().redriveDeadLetters({ filter: {}, ...asking });
  const { db, transaction } = fixture.runtime;
  const now = new Date();
  const first = await readToSend(db, now);
  expect(first.length).toBeGreaterThan(0);
  await transaction((tx) => putOff(tx, first, now));
  const second = await readToSend(db, now);
  const ids = new Set(first.map(({ letterId }) => letterId));
  expect(second.length).toBeGreaterThan(0);
  expect(second.filter(({ letterId }) => ids.has(letterId))).toEqual([]);
  // Their turn comes again.
  const later = await readToSend(db, new Date(now.getTime() + 2_000));
  expect(later.some(({ letterId }) => ids.has(letterId))).toBe(true);
});
