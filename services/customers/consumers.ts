// Who has an account or an image is a customer; and an order that was erased may have been the last.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { AccountRegisteredSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { ThumbnailCreatedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { planCheck } from "./events/check.ts";
import { insertCustomers, saveThumbnails } from "./store/customers.ts";
import type { CustomersTables } from "./store/tables.ts";

/** The other services hear of an erased order at the same time as we do. */
const settleMs = 500;

export function customersHears(): Hearing[] {
  return [
    hear<typeof AccountRegisteredSchema, CustomersTables>({
      name: "customers.register",
      event: AccountRegisteredSchema,
      handle: async (tx, events) => {
        const customers = events.map(({ tenant, message: { customerId, registerTime }, time }) => ({
          tenant,
          customerId,
          time: registerTime ? timestampDate(registerTime) : time,
        }));
        await insertCustomers(tx, customers);
      },
    }),
    hear<typeof ThumbnailCreatedSchema, CustomersTables>({
      name: "customers.thumbnail",
      event: ThumbnailCreatedSchema,
      handle: async (tx, events) => {
        const last = new Map(events.map((event) => [event.key, event]));
        const images = [...last.values()].map(({ tenant, key, message, time }) => ({
          tenant,
          customerId: key,
          path: message.thumbnailPath,
          time,
        }));
        // An operator may have given an image to somebody of whom nothing else is known yet.
        await insertCustomers(tx, images);
        await saveThumbnails(tx, images);
      },
    }),
    hear<typeof OrderErasedSchema, CustomersTables>({
      name: "customers.order_erased",
      event: OrderErasedSchema,
      handle: async (tx, events) => {
        const last = new Map(events.map((event) => [event.message.customerId, event]));
        for (const [customerId, { tenant, cause }] of last) {
          await planCheck(tx, { tenant, customerId }, { inMs: settleMs, cause });
        }
      },
    }),
  ];
}
