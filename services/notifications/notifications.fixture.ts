// Notifications on a database of its own, called as an operator, with the services that it asks played by the test.
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Client } from "@connectrpc/connect";
import { CustomerState } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { eventContract, eventKey } from "#runtime/events/contract.ts";
import type { ReceivedEvent } from "#runtime/events/hearing.ts";
import { newId } from "#runtime/ids.ts";
import { actFor } from "#runtime/database/scope.ts";
import type { Transaction } from "kysely";
import { serviceFixture, testTenant, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { notifications as definition } from "./main.ts";
import type { NotificationsTables } from "./store/tables.ts";

export interface PlayedCustomer {
  email: string;
  phone: string;
  locale: string;
  displayName: string;
  isErased: boolean;
}

export const ada: PlayedCustomer = {
  email: "ada@example.test",
  phone: "+4930123456",
  locale: "en-GB",
  displayName: "Ada <Lovelace>",
  isErased: false,
};

export const created = (orderId: string, customerId = "ada") => ({
  orderId,
  buyer: { customerId },
  total: { currencyCode: "EUR", minorUnits: 2_380n },
});

export interface NotificationsFixture extends ServiceFixture<NotificationsTables> {
  notifications: Client<typeof NotificationsService>;
  /** By id; those that are not here are unknown. */
  customers: Map<string, PlayedCustomer>;
  /** Hands over one event with an id of the test's, as often as it is called. */
  repeat<Desc extends DescMessage>(desc: Desc, message: MessageInitShape<Desc>, eventId: string, time?: Date): Promise<void>;
  /** "fact channel STATE reason", in order of ids. */
  lines(orderId: string): Promise<string[]>;
}

export async function notificationsFixture(env: Record<string, string> = {}): Promise<NotificationsFixture> {
  const customers = new Map([["ada", ada]]);
  const fixture = await serviceFixture(definition, {
    as: "operator",
    env: { ORDERMESH_SECRET: "a-secret-of-the-test-with-32-characters", ...env },
    others: (router) => {
      router.service(CustomersService, {
        getCustomer: ({ customerId }) => {
          const customer = customers.get(customerId);
          if (!customer) throw new ConnectError("unknown", Code.NotFound);
          const { isErased, ...profile } = customer;
          const state = isErased ? CustomerState.ERASED : CustomerState.ACTIVE;
          return { customer: { customerId, state, ...(isErased ? {} : { profile }) } };
        },
      });
      router.service(OrdersService, {
        getOrder: ({ orderId }) => {
          if (orderId !== "ord_before") throw new ConnectError("unknown", Code.NotFound);
          return { order: { orderId, customerId: "ada" } };
        },
      });
    },
  });
  const notifications = fixture.client(NotificationsService);
  return {
    ...fixture,
    notifications,
    customers,
    repeat: async (desc, init, id, time = new Date()) => {
      const hearing = fixture.parts.hears?.find(({ versions }) => versions.some((version) => version.desc === desc));
      const version = hearing?.versions.find((each) => each.desc === desc);
      if (!hearing || !version) throw new Error(`nothing hears ${desc.typeName}`);
      const full = create(desc, init);
      const about = { id, tenant: testTenant, key: eventKey(eventContract(desc), full), sequence: 1, time };
      const event = { ...about, cause: { id, traceparent: "" }, message: version.raise(full) } as ReceivedEvent<never>;
      await fixture.runtime.system.transaction(async (tx) => {
        await actFor(tx, testTenant);
        await hearing.handle(tx as unknown as Transaction<never>, [event]);
      });
    },
    lines: async (orderId) => {
      const { notifications: rows } = await notifications.listOrderNotifications({ orderId });
      const states = ["", "PLANNED", "SENDING", "SENT", "SKIPPED", "FAILED", "UNKNOWN"];
      return rows.map(({ fact, channel, state, reason }) => [fact, channel, states[state], reason].join(" ").trim());
    },
    // What is planned for now is so by the database's clock, which is finer than ours.
    runDue: (until = new Date(Date.now() + 1_000)) => fixture.runDue(until),
  };
}

/** An order of the customer that was heard of; answers its id. */
export async function heardOrder(fixture: NotificationsFixture, customerId = "ada"): Promise<string> {
  const orderId = newId("ord");
  await fixture.deliver(OrderCreatedSchema, created(orderId, customerId));
  return orderId;
}
