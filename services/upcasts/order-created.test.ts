import { readFile } from "node:fs/promises";
import { create, fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { OrderCreatedSchema as V1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { raiseOrderCreatedV1 } from "./order-created.ts";

test("a v1 OrderCreated keeps its buyer, lines and total in the newest shape, and ships for nothing", () => {
  const raised = raiseOrderCreatedV1(
    create(V1Schema, {
      orderId: "ord_1",
      customerId: "ada",
      lines: [{ sku: "MUG", quantity: 2n, unitPriceMinorUnits: 500n }],
      currencyCode: "EUR",
      totalMinorUnits: 1000n,
      paymentMethodBin: "424242",
      deviceFingerprint: "dev-1",
    }),
  );
  expect(raised.buyer).toMatchObject({ customerId: "ada", paymentMethodBin: "424242", deviceFingerprint: "dev-1" });
  expect(raised.lines).toMatchObject([{ sku: "MUG", quantity: 2n, unitPrice: { currencyCode: "EUR", minorUnits: 500n } }]);
  expect(raised.total).toMatchObject({ currencyCode: "EUR", minorUnits: 1000n });
  expect(raised.shippingCost).toMatchObject({ currencyCode: "EUR", minorUnits: 0n });
  expect(raised.expireTime).toBeUndefined();
});

test("the stored bytes of a v1 OrderCreated are raised", async () => {
  const golden = new URL("../../test/contracts/golden/ordermesh.orders.events.v1.OrderCreated", import.meta.url);
  const bytes = Buffer.from((await readFile(new URL(`${golden.href}.hex`), "utf8")).replaceAll(/\s/g, ""), "hex");
  const stored = JSON.parse(await readFile(new URL(`${golden.href}.json`), "utf8")) as {
    orderId: string;
    customerId: string;
    totalMinorUnits: string;
    lines: { sku: string; quantity: string; unitPriceMinorUnits: string }[];
  };
  const raised = raiseOrderCreatedV1(fromBinary(V1Schema, bytes));
  expect(raised.orderId).toBe(stored.orderId);
  expect(raised.buyer?.customerId).toBe(stored.customerId);
  expect(String(raised.total?.minorUnits)).toBe(stored.totalMinorUnits);
  expect(raised.lines.map((line) => [line.sku, String(line.quantity), String(line.unitPrice?.minorUnits)])).toEqual(
    stored.lines.map((line) => [line.sku, line.quantity, line.unitPriceMinorUnits]),
  );
});
