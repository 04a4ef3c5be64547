import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { auditState, checks, checksOf, installationWalks, tenantWalks } from "./audit.ts";
import { deliveryFindings } from "./audit-deliveries.ts";
import { parseSubject } from "./audit-subject.ts";

test("docs/audit.md lists every check with its rule and with when it counts", async () => {
  const page = await readFile(new URL("../../../docs/audit.md", import.meta.url), "utf8");
  const section = page.slice(page.indexOf("## The checks"), page.indexOf("## The stream"));
  const rows = [...section.matchAll(/^\| `([\w.]+)` +\| (.+?) +\| (.+?) +\|$/gm)].map(([, check, rule, counts]) => ({
    check,
    rule,
    counts,
  }));
  expect(rows).toEqual(
    checks.map(({ check, rule, certain }) => ({ check, rule, counts: certain ? "at once" : "when seen again" })),
  );
});

test("every check is proved by one walk, and every walk proves one", () => {
  const walks = [...tenantWalks, ...installationWalks];
  expect(walks.flatMap(checksOf).toSorted()).toEqual(checks.map(({ check }) => check).toSorted());
  expect(walks.filter((walk) => checksOf(walk).length === 0)).toEqual([]);
});

const whole = { problem: "", isComplete: true };

test.each([
  { why: "all is looked at and nothing disagrees", violationsOpen: 0, suspects: 0, checks: [whole, whole], want: "CLEAN" },
  { why: "a violation is open", violationsOpen: 1, suspects: 0, checks: [whole], want: "VIOLATED" },
  {
    why: "a violation is open, also where not all is looked at",
    violationsOpen: 1,
    suspects: 0,
    checks: [{ problem: "", isComplete: false }],
    want: "VIOLATED",
  },
  { why: "something is in doubt", violationsOpen: 0, suspects: 1, checks: [whole], want: "INCOMPLETE" },
  {
    why: "a check has not come to its end",
    violationsOpen: 0,
    suspects: 0,
    checks: [whole, { problem: "", isComplete: false }],
    want: "INCOMPLETE",
  },
  {
    why: "a check cannot be made now",
    violationsOpen: 0,
    suspects: 0,
    checks: [whole, { problem: "payments is away", isComplete: true }],
    want: "INCOMPLETE",
  },
] as const)("books are $want where $why", ({ want, ...books }) => {
  expect(auditState(books)).toBe(want);
});

const now = new Date("2026-01-02T03:04:05Z");
const before = (ms: number): Date => new Date(now.getTime() - ms);

test.each([
  { why: "nothing waits", oldest: undefined, overdueWork: 0, want: [] },
  { why: "it waits for as long as it may", oldest: before(1_000), overdueWork: 0, want: [] },
  { why: "it waits longer", oldest: before(1_001), overdueWork: 0, want: ["events.unpublished"] },
  { why: "work is late", oldest: undefined, overdueWork: 2, want: ["work.overdue"] },
  { why: "both", oldest: before(5_000), overdueWork: 1, want: ["events.unpublished", "work.overdue"] },
])("deliveries where $why: $want", ({ oldest, overdueWork, want }) => {
  const status = { service: "orders", unpublished: oldest ? 3 : 0, oldestUnpublishedTime: oldest, overdueWork };
  expect(deliveryFindings(status, { now, graceMs: 1_000 }).map(({ check }) => check)).toEqual(want);
});

test.each([
  {
    subject: "p.3.ordermesh.orders.events.v2.OrderCreated.demo.ord_1",
    want: { typeName: "ordermesh.orders.events.v2.OrderCreated", service: "orders", tenant: "demo", key: "ord_1" },
  },
  { subject: "redrive.orders.p.3.ordermesh.orders.events.v2.OrderCreated.demo.ord_1", want: undefined },
  { subject: "p.3.ordermesh.orders.commands.v2.OrderCreated.demo.ord_1", want: undefined },
  { subject: "p.3.ordermesh.orders", want: undefined },
])("$subject is taken apart", ({ subject, want }) => {
  expect(parseSubject(subject)).toEqual(want);
});
