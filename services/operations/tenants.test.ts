// A thousand tenants: each has its turn, and who has many pages keeps nobody waiting.
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { operations } from "./main.ts";
import { readSweepItems } from "./store/audit/sweeps.ts";
import { forgetTenants, noteTenants, readAudited, readUnregistered, takeTurns } from "./store/audit/tenants.ts";
import type { OperationsTables } from "./store/tables.ts";
import { wholePass } from "./tasks/audit-whole-pass.ts";
import type { Stepping } from "./tasks/audit-step.ts";
import type { AuditPlace } from "./tasks/audit-page.ts";
import type { Walk } from "./tasks/audit-walks.ts";

const home = "demo";
const lease = { name: "auditor", holder: "test", epoch: 1 };
const tenants = Array.from({ length: 1_000 }, (_, index) => `shop-${String(index).padStart(4, "0")}`);

let fixture: ServiceFixture<OperationsTables>;
beforeAll(async () => {
  fixture = await serviceFixture(operations);
  await sql`
    insert into lease (name, holder, epoch, expire_time)
    values (${lease.name}, ${lease.holder}, ${lease.epoch}, now() + interval '1 hour')`.execute(fixture.runtime.db);
});
afterAll(() => fixture.close());

beforeEach(async () => {
  await sql`truncate audited_tenant, audit_check, audit_walk, audit_finding, stream_key`.execute(fixture.runtime.db);
});

const note = (names: readonly string[], isRegistered = true): Promise<void> =>
  fixture.runtime.transaction((tx) =>
    noteTenants(
      tx,
      names.map((tenant) => ({ tenant, isRegistered })),
    ),
  );

const turns = (rowsMax: number): Promise<string[]> =>
  fixture.runtime.transaction((tx) => takeTurns(tx, { now: new Date(), rowsMax }));

test("in forty rounds of twenty-five each has had one turn, and one that comes new is next", async () => {
  await note(tenants);
  const had: string[] = [];
  for (let round = 0; round < 40; round += 1) had.push(...(await turns(25)));
  expect(had.toSorted()).toEqual(tenants);
  await note(["new-shop"]);
  expect(await turns(1)).toEqual(["new-shop"]);
});

test("what is told of stays so, and pages have every tenant once", async () => {
  await note(["a", "b"], false);
  await note(["b", "a", "b"]);
  await note(["a"], false);
  const { rows } = await sql<{ tenant_id: string; is_registered: boolean }>`
    select tenant_id, is_registered from audited_tenant order by 1`.execute(fixture.runtime.db);
  expect(rows).toEqual([
    { tenant_id: "a", is_registered: true },
    { tenant_id: "b", is_registered: true },
  ]);
  expect(await readAudited(fixture.runtime.db, { after: "a", rowsMax: 9 })).toEqual(["b"]);
});

/** Books of made-up sizes: so many pages for each tenant. */
function walkOf(pages: (tenant: string) => number, asked: Map<string, number>): Walk {
  const page = ({ tenant, pageToken }: AuditPlace) => {
    const number = Number(pageToken) + 1;
    asked.set(tenant, number);
    const nextPageToken = number < pages(tenant) ? String(number) : "";
    return Promise.resolve({ rowsChecked: 1, findings: [], problems: new Map<string, string>(), nextPageToken });
  };
  return { name: "stock", checks: ["stock.on_hand"], kind: "proves", page };
}

test("a pass over a tenant without end has gone through all others before its time is over", async () => {
  await note(["big", ...tenants.slice(0, 30)]);
  const { runtime } = fixture;
  const position = { last: 0, handled: 0 };
  const settings = { everyMs: 1_000, graceMs: 1_000, sweepGraceMs: 1_000, home };
  const step: Stepping = { runtime, settings, lease, position, saidToFail: new Set() };
  const asked = new Map<string, number>();
  const walk = walkOf((tenant) => (tenant === "big" ? Number.POSITIVE_INFINITY : 3), asked);
  let looks = 0;
  const isOver = (): boolean => (looks += 1) > 200;
  await wholePass(step, { walks: { ofTenant: [walk], ofInstallation: [], again: () => Promise.reject(new Error()) }, isOver });
  const { rows } = await sql<{ tenant: string }>`
    select tenant_id as tenant from audit_check where complete_pass_time is not null order by 1`.execute(runtime.db);
  expect(rows.map(({ tenant }) => tenant)).toEqual(tenants.slice(0, 30));
  expect(asked.get("big")).toBeGreaterThan(3);
});

test("the oldest stranded thing of each tenant is swept before the second of any", async () => {
  const found = (tenant: string, key: string, age: number) =>
    sql`
    insert into audit_finding (check_name, tenant_id, key, violation_id, state, message, figures, cause_id, traceparent,
      first_seen_sequence, first_seen_time, last_seen_time)
    values ('stock.stranded', ${tenant}, ${key}, ${`${tenant}-${key}`}, 'violation', '', '{}', '', '', 1,
      now() - make_interval(secs => ${age}), now())`.execute(fixture.runtime.db);
  for (let index = 0; index < 20; index += 1) await found("big", `ord_${index}`, 1_000 - index);
  await found("small", "ord_0", 5);
  const items = await readSweepItems(fixture.runtime.db, { checks: ["stock.stranded"], now: new Date(), rowsMax: 4 });
  expect(items.map(({ tenant, key }) => `${tenant} ${key}`)).toEqual(["big ord_0", "small ord_0", "big ord_1", "big ord_2"]);
});

test("a name that somebody made up is forgotten with its events; books are not, and are said to be nobody's", async () => {
  const { db, transaction } = fixture.runtime;
  await note(["made-up", "listened", "with-books", home], false);
  await note(["registered"]);
  await sql`
    insert into audit_check (tenant_id, check_name, rows_checked)
    values ('with-books', 'orders.total', 3), ('made-up', 'orders.total', 0), (${home}, 'orders.total', 5)`.execute(db);
  await sql`
    insert into stream_key (service, tenant_id, key, seen, last_event_time, last_stream_sequence)
    values ('orders', 'listened', 'ord_1', '{[1,2)}', now(), 1)`.execute(db);
  expect(await readUnregistered(db, { home, after: "", rowsMax: 9 })).toEqual([{ tenant: "with-books", rowsChecked: 3 }]);
  await transaction((tx) => forgetTenants(tx, { home, services: ["orders", "catalog"], rowsMax: 100 }));
  expect(await readAudited(db, { after: "", rowsMax: 9 })).toEqual([home, "listened", "registered", "with-books"]);
});
