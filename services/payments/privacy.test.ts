// The buyer's token goes to the provider and nowhere else.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import { runInContext } from "#runtime/request-context.ts";
import { applyDue, prepareDue, type ClaimedItem } from "#runtime/schedule/due-store.ts";
import { payments } from "./main.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";

let fixture: PaymentsFixture;
beforeAll(async () => {
  fixture = await paymentsFixture();
});
afterAll(() => fixture.close());

const tables = async (): Promise<string[]> => {
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'payments' order by table_name`.execute(
    fixture.runtime.db,
  );
  return rows.map(({ name }) => name);
};

test.each(["tok_success", "tok_declined", "tok_flaky", "tok_error"])(
  "%s stands in no log, no event and no table once the provider has answered",
  async (token) => {
    const lines: string[] = [];
    const log = createLogger({ level: "trace", destination: { write: (line) => lines.push(line) } });
    const parts = payments.create({ ...fixture.runtime, log });
    await fixture.askForPayment(`ord_${token}`, { token });
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const { rows } = await sql<ClaimedItem>`
        update due_work set attempt = attempt + 1 where key = ${`ord_${token}`}
        returning id, kind, tenant_id as tenant, key, due_time as "dueTime", attempt, cause_id as "causeId", traceparent`.execute(
        fixture.runtime.db,
      );
      const [row] = rows;
      const work = parts.dueWork?.find(({ kind }) => kind === row?.kind);
      if (!row || !work) break;
      const context = { requestId: row.causeId, traceparent: row.traceparent, tenant: row.tenant };
      const complete = async (): Promise<void> => applyDue(fixture.runtime, work, [await prepareDue(work, row)]);
      await runInContext(context, complete).catch((error: Error) => lines.push(error.message));
    }
    expect(lines.join("\n")).not.toContain(token);
    const holding: string[] = [];
    // The order's id carries the token's name in this test.
    const own = `ord_${token}`;
    const hex = (text: string) => Buffer.from(text).toString("hex");
    for (const table of await tables()) {
      const { rows } = await sql<{ text: string }>`select stored::text as text from ${sql.id(table)} as stored`.execute(
        fixture.runtime.db,
      );
      const text = rows.map((row) => row.text.replaceAll(own, "").replaceAll(hex(own), "")).join("\n");
      if (text.includes(token) || text.includes(hex(token))) holding.push(table);
    }
    expect(holding).toEqual([]);
  },
);
