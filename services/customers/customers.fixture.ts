// Customers on a database of its own, called as an operator.
import type { Client } from "@connectrpc/connect";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { PrivacyService } from "#gen/ordermesh/privacy/v1/privacy_service_pb.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { customers as definition } from "./main.ts";
import type { CustomersTables } from "./store/tables.ts";

export const home = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };
export const profile = { displayName: "Ada", givenName: "Ada", familyName: "Lovelace", email: "ada@example.test" };

export interface CustomersFixture extends ServiceFixture<CustomersTables> {
  customers: Client<typeof CustomersService>;
  /** What the other services say that they keep: a remainder of each line "service kind id reason". */
  keeps: string[];
}

/** The other services keep what the test says, and have one order of the customer. */
export async function customersFixture(): Promise<CustomersFixture> {
  const keeps: string[] = [];
  const fixture = await serviceFixture(definition, {
    as: "operator",
    others: (router) =>
      router.service(PrivacyService, {
        exportPersonalData: ({ service, orderIds }) =>
          service === "orders"
            ? { records: [{ kind: "order", id: "ord_1", content: { total: "7" } }] }
            : ofOrders(service, orderIds),
        listRemainders: ({ service, orderIds }) => ({
          remainders: keeps
            .map((line) => line.split(" "))
            .filter(([name, kind]) => name === service && (kind === "order") === orderIds.length > 0)
            .map(([, kind = "", id = "", reason = ""]) => ({ kind, id, reason })),
        }),
      }),
  });
  return { ...fixture, customers: fixture.client(CustomersService), keeps };
}

const ofOrders = (service: string, orderIds: readonly string[]) => ({
  records: orderIds.map((id) => ({ kind: service, id, content: {} })),
});
