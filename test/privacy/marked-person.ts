// A person whose every word can be found again, and the search for them in every table of the mesh.
import pg from "pg";

/** Each has it in some form that a table could keep. */
const mark = "zebulon";

export const person = {
  login: `${mark}.login@example.test`,
  password: "correct horse battery",
  profile: {
    displayName: `${mark} the Great`,
    givenName: mark,
    familyName: `Mc${mark}`,
    email: `${mark}@mail.example.test`,
    phone: "+4915112399887",
    locale: "de-AT",
  },
  address: {
    recipient: `Dr. ${mark}`,
    lines: [`77 ${mark} Street`],
    city: `${mark}ville`,
    postalCode: "99887",
    countryCode: "DE",
  },
  label: `the house of ${mark}`,
  purpose: `offers.${mark}`,
  textVersion: `${mark}-2026`,
  fingerprint: `device-of-${mark}`,
  words: `because ${mark} has moved`,
};

/** In text, and in bytes as PostgreSQL shows them. */
const patterns = [mark, person.profile.phone].flatMap((text) => [text, Buffer.from(text).toString("hex")]);

/**
 * What may hold it, and is told in docs/customers.md: events on their way out, which go after three days, and rules and lists of
 * the shop.
 */
const isExcepted = (table: string): boolean => /\.outbox(_|$)/.test(table) || ["fraud.rule", "fraud.list_entry"].includes(table);

/** Tables with rows in which something of the person stands, such as "orders.orders 2". Looks at every column of every table. */
export async function findTraces(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select table_schema || '.' || table_name as name from information_schema.tables
       where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema') order by 1`,
    );
    // The rows of all tenants.
    await client.query("set ordermesh.system = 'on'");
    const found: string[] = [];
    for (const { name } of tables) {
      if (isExcepted(name)) continue;
      const condition = patterns.map((_, index) => `stored::text ilike '%' || $${index + 1} || '%'`).join(" or ");
      const { rows } = await client.query<{ count: string }>(
        `select count(*)::text as count from ${name} as stored where ${condition}`,
        patterns,
      );
      if (rows[0]?.count !== "0") found.push(`${name} ${rows[0]?.count}`);
    }
    return found;
  } finally {
    await client.end();
  }
}
