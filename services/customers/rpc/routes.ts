// What the service offers to callers.
import type { ConnectRouter } from "@connectrpc/connect";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { CustomersTables } from "../store/tables.ts";
import { addressMethods } from "./addresses.ts";
import { consentMethods } from "./consents.ts";
import { erasureMethods } from "./erasure.ts";
import { exportMethod } from "./export.ts";
import { profileMethods } from "./profile.ts";

export function customersRoutes(runtime: ServiceRuntime<CustomersTables>): (router: ConnectRouter) => void {
  const methods = {
    ...profileMethods(runtime),
    ...addressMethods(runtime),
    ...consentMethods(runtime),
    ...erasureMethods(runtime),
    exportCustomer: exportMethod(runtime),
  };
  return (router) => {
    router.service(CustomersService, methods);
  };
}
