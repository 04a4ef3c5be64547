// What a change reads does not grow with the payments that there are.
import { sql } from "kysely";
import { expect, test } from "vitest";
import { rowsReadFrom } from "../../test/support/rows-read.ts";
import { testTenant } from "../../test/support/service-fixture.ts";
import { paymentsFixture } from "./provider/books.fixture.ts";
import { lockPayments, updatePayments } from "./store/payments.ts";

test("a few payments of many are changed without a look at the others", async () => {
  const fixture = await paymentsFixture();
  try {
    await fixture.askForPayment("ord_0");
    const { db } = fixture.runtime;
    const { rows } = await sql<{ names: string }>`
      select string_agg(quote_ident(column_name), ', ') as names from information_schema.columns
      where table_schema = 'payments' and table_name = 'payment' and column_name not in ('order_id', 'payment_id', 'due_event_id')`.execute(
      db,
    );
    const others = sql.raw(rows[0]?.names ?? "");
    await sql`
      insert into payment (order_id, payment_id, due_event_id, ${others})
      select 'ord_' || number, 'pay_' || number, 'evt_' || number, ${others} from payment, generate_series(1, 800) number`.execute(
      db,
    );
    await sql`analyze payment`.execute(db);
    const keys = ["ord_7", "ord_250", "ord_99"].map((orderId) => ({ tenant: testTenant, orderId }));
    const read = await fixture.runtime.transaction(async (tx) => {
      const locked = [...(await lockPayments(tx, keys)).values()];
      expect(locked).toHaveLength(keys.length);
      const before = await rowsReadFrom(tx, "payment");
      await updatePayments(tx, locked);
      return (await rowsReadFrom(tx, "payment")) - before;
    });
    expect(read).toBeLessThan(20);
  } finally {
    await fixture.close();
  }
});
