// Fills the tables with orders, so that it can be seen what their number costs: copies of those that are there.
import pg from "pg";

/** Where every order leaves rows that stay. The first of a service is the one that the others refer to. */
const tables = [
  "orders.orders",
  "orders.order_item",
  "orders.order_services",
  "orders.order_timeline",
  "inventory.reservation",
  "inventory.reservation_line",
  "fraud.assessment",
  "payments.payment",
  "payments.ledger_entry",
  "shipping.shipment",
] as const;
const copiesAtOnce = 50;
const numberDigits = 7;

/** The columns of a copy: ids get another end, so that each is still an id and stands beside its original. */
async function columnsOf(db: pg.Client, table: string): Promise<{ names: string; values: string }> {
  const [schema, name] = table.split(".");
  const { rows } = await db.query<{ column: string }>(
    `select column_name as column from information_schema.columns
     where table_schema = $1 and table_name = $2 and is_generated = 'NEVER' order by ordinal_position`,
    [schema, name],
  );
  const valueOf = (column: string): string => {
    if (column === "customer_id") return "made.customer_id || '-' || number";
    const isOwn = column.endsWith("_id") && column !== "tenant_id";
    return isOwn ? `left(made.${column}, -${numberDigits}) || lpad(number::text, ${numberDigits}, '0')` : `made.${column}`;
  };
  const columns = rows.map(({ column }) => column);
  return { names: columns.join(", "), values: columns.map(valueOf).join(", ") };
}

/** Copies every order that is ready until there are at least so many; none may be under way. Answers how many there are. */
export async function multiplyOrders(databaseUrl: string, ordersMin: number, say: (progress: string) => void): Promise<number> {
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  try {
    // The rows are copies of good ones: that their parts belong together need not be looked up again for each.
    await db.query("set session_replication_role = replica");
    await db.query(
      "create temporary table original as select tenant_id, order_id from orders.orders where state = 'pending_shipment'",
    );
    const { rows } = await db.query<{ count: number }>("select count(*)::integer as count from original");
    const originals = rows[0]?.count ?? 0;
    if (originals === 0) throw new Error("there is no order that could be copied");
    const copies = Math.ceil(ordersMin / originals) - 1;
    for (const table of tables) {
      const { names, values } = await columnsOf(db, table);
      for (let from = 1; from <= copies; from += copiesAtOnce) {
        const to = Math.min(from + copiesAtOnce - 1, copies);
        await db.query(
          `insert into ${table} (${names}) select ${values}
           from generate_series(${from}, ${to}) as number cross join ${table} as made join original using (tenant_id, order_id)`,
        );
      }
      await db.query(`vacuum (analyze) ${table}`);
      say(`${originals * (copies + 1)} orders in ${table}`);
    }
    return originals * (copies + 1);
  } finally {
    await db.end();
  }
}
