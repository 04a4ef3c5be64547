// Erasing a customer here, and telling the others.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { CustomerSchema, ErasureReasonSchema } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import type { EraseCustomerRequest } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import { crashPoint } from "#runtime/faults.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { planCheck } from "../events/check.ts";
import { eraseCustomer, lockCustomer, readCustomer, type Customer } from "../store/customers.ts";
import type { CustomersTables } from "../store/tables.ts";
import { customerMessage, erasureMessage } from "./messages.ts";

export function erasureMethods({ db, transaction, clock }: ServiceRuntime<CustomersTables>) {
  return {
    eraseCustomer: async (request: EraseCustomerRequest) => {
      const erased = await transaction((tx) => erase(tx, request, clock.now()));
      crashPoint("customers.erase", "after_commit");
      return { erasure: erasureMessage(erased)! };
    },

    getErasure: async ({ customerId }: { customerId: string }) => {
      const customer = await readCustomer(db, { tenant: currentRequest().tenant, customerId });
      const erasure = customer && erasureMessage(customer);
      if (!erasure) throw refuse(Code.NotFound, "ERASURE_NOT_FOUND", `customer ${customerId} is not erased`, { customerId });
      return { erasure };
    },
  };
}

async function erase(tx: Transaction<CustomersTables>, request: EraseCustomerRequest, now: Date): Promise<Customer> {
  const { tenant } = currentRequest();
  const { customerId } = request;
  const key = { tenant, customerId };
  const reason = ErasureReasonSchema.value[request.reason]?.localName ?? "";
  const { customer, isNew } = await lockCustomer(tx, key, now);
  if (customer.eraseTime) return customer;
  await eraseCustomer(tx, key, { reason, now });
  const cause = requestCause();
  const about = { tenant, sequence: customer.eventsSent + 1, time: now, cause };
  await appendEvents(tx, [outgoing(CustomerErasedSchema, { customerId, eraseTime: timestampFromDate(now) }, about)]);
  await planCheck(tx, key, { inMs: 0, cause });
  const erased = { ...customer, version: customer.version + 1, eraseTime: now, eraseReason: reason, updateTime: now };
  const side = (of: Customer) => shown(CustomerSchema, customerMessage(of));
  const resource = { kind: "customer", id: customerId };
  await recordChange(tx, { resource, ...(isNew ? {} : { before: side(customer) }), after: side(erased) });
  crashPoint("customers.erase", "before_commit");
  return erased;
}
