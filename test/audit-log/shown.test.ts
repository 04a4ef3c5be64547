// What the log keeps of a message: what differs, and no secret.
import { create, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { OrderSchema, OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { PlaceOrderRequestSchema, PlaceOrderResponseSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { isMarked, onlyChanged, shown } from "#runtime/audit-log/shown.ts";
import { loadContracts } from "../../tools/contracts.ts";

const address = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };

describe("of a message", () => {
  test("marked fields are left out, and the message keeps them", () => {
    const request = create(PlaceOrderRequestSchema, { customerId: "ada", paymentToken: "tok_success" });
    expect(shown(PlaceOrderRequestSchema, request)).toEqual({ customerId: "ada" });
    expect(request.paymentToken).toBe("tok_success");
  });

  test("also those further inside", () => {
    const order = {
      orderId: "ord_1",
      state: OrderState.PENDING,
      shippingAddress: address,
      items: [{ sku: "MUG", quantity: 2n }],
    };
    expect(shown(PlaceOrderResponseSchema, { order })).toEqual({
      order: { orderId: "ord_1", state: "ORDER_STATE_PENDING", items: [{ sku: "MUG", quantity: "2" }] },
    });
    expect(shown(OrderSchema, { shippingAddress: address })).toEqual({});
  });
});

describe("of a change", () => {
  test.each([
    { was: { a: 1, b: 2 }, is: { a: 1, b: 3 }, want: { before: { b: 2 }, after: { b: 3 } } },
    { was: { a: 1 }, is: {}, want: { before: { a: 1 }, after: {} } },
    { was: {}, is: { a: 1 }, want: { before: {}, after: { a: 1 } } },
    { was: { a: { b: 1, c: 2 } }, is: { a: { b: 1, c: 3 } }, want: { before: { a: { c: 2 } }, after: { a: { c: 3 } } } },
    { was: { a: [1, 2] }, is: { a: [1, 3] }, want: { before: { a: [1, 2] }, after: { a: [1, 3] } } },
    { was: { a: null }, is: { a: { b: 1 } }, want: { before: { a: null }, after: { a: { b: 1 } } } },
    { was: { a: { b: 1 } }, is: { a: { b: 1 } }, want: undefined },
  ])("$was to $is only what differs is kept", ({ was, is, want }) => {
    expect(onlyChanged(was, is)).toEqual(want);
  });
});

/** Names of fields that hold what nobody else may read. A page token is none. */
const secretName = /(^|_)(password|secret|payment_token|access_token|refresh_token|cvc|card_number|payment_method_bin)$|^token$/;

const fieldsOf = (message: DescMessage): DescField[] => [...message.fields, ...message.nestedMessages.flatMap(fieldsOf)];

// Events are not written down here.
const fields = (await loadContracts())
  .filter(({ proto }) => !/^ordermesh\.[a-z]+\.events\./.test(proto.package))
  .flatMap((file) => file.messages)
  .flatMap(fieldsOf);

test("fields whose names say that they hold a secret are marked in their contracts", () => {
  const secrets = fields.filter(({ name }) => secretName.test(name));
  expect(secrets.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["payment_token", "new_password", "client_secret", "token"]),
  );
  expect(secrets.filter((field) => !isMarked(field)).map(String)).toEqual([]);
});
