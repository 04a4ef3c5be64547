import { expect, test } from "vitest";
import { receiversOf } from "./heard-subjects.ts";

const receivers = [
  { name: "stock", filters: ["p.0.ordermesh.orders.events.*.OrderCreated.>", "redrive.stock.p.0.>"] },
  { name: "all", filters: ["p.0.>"] },
  { name: "exact", filters: ["p.0.ordermesh.orders.events.v1.OrderCreated.demo.special"] },
  { name: "other", filters: ["p.1.ordermesh.orders.events.*.OrderCreated.>"] },
];

const names = (of: readonly { name: string }[]): string[] => of.map(({ name }) => name);

test.each([
  { subject: "p.0.ordermesh.orders.events.v1.OrderCreated.demo.ord_1", given: ["stock", "all"] },
  { subject: "p.0.ordermesh.orders.events.v2.OrderCreated.demo.ord_1", given: ["stock", "all"] },
  { subject: "p.0.ordermesh.orders.events.v1.OrderCancelled.demo.ord_1", given: ["all"] },
  { subject: "p.0.ordermesh.orders.events.v1.OrderCreated.demo.special", given: ["stock", "all", "exact"] },
  { subject: "p.0.ordermesh.orders.events.v1.OrderCreated", given: ["all"] },
  { subject: "p.1.ordermesh.orders.events.v1.OrderCreated.demo.ord_1", given: ["other"] },
  { subject: "redrive.stock.p.0.p.0.ordermesh.orders.events.v1.OrderCreated.demo.ord_1", given: ["stock"] },
  { subject: "p", given: [] },
])("$subject is given to $given", ({ subject, given }) => {
  const receiversOfOne = receiversOf(receivers);
  expect(names(receiversOfOne(subject))).toEqual(given);
  expect(names(receiversOfOne(subject))).toEqual(given);
});

test("one event of a type answers for all whose difference no filter names", () => {
  const all = receiversOf(receivers.slice(0, 2));
  expect(all("p.0.ordermesh.orders.events.v1.OrderCreated.demo.a")).toBe(
    all("p.0.ordermesh.orders.events.v1.OrderCreated.demo.b"),
  );
});
