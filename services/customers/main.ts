// Customers: what a shop keeps about persons, and how it is shown to them and erased.
import { file_ordermesh_customers_events_v1_customers_events } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { customersHears } from "./consumers.ts";
import { erasureCheck } from "./due.ts";
import { customersRoutes } from "./rpc/routes.ts";
import { customerData } from "./store/personal-data.ts";
import type { CustomersTables } from "./store/tables.ts";

export const customers: ServiceDefinition<CustomersTables> = {
  name: "customers",
  services: [CustomersService],
  emits: [file_ordermesh_customers_events_v1_customers_events],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => ({
    routes: customersRoutes(runtime),
    hears: customersHears(),
    dueWork: [erasureCheck(runtime)],
    personalData: customerData(runtime.db),
  }),
};
