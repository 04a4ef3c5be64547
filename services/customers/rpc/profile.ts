// Reading customers, and changing their profiles.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import { CustomerSchema, ProfileSchema } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import type { ListCustomersRequest, UpdateCustomerRequest } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { fieldsToTake, profileFields, taking } from "../domain/profile.ts";
import { lockCustomer, lockKnown, readCustomer, readCustomers, saveProfile, type Customer } from "../store/customers.ts";
import type { CustomersTables } from "../store/tables.ts";
import { customerMessage } from "./messages.ts";
import { assertEtag, assertMask, assertNotErased, customerNotFound } from "./refusals.ts";

type Message = MessageInitShape<typeof CustomerSchema>;

export function profileMethods({ db, transaction, clock }: ServiceRuntime<CustomersTables>) {
  return {
    getCustomer: async ({ customerId }: { customerId: string }): Promise<{ customer: Message }> => {
      const customer = await readCustomer(db, { tenant: currentRequest().tenant, customerId });
      if (!customer) throw customerNotFound(customerId);
      return { customer: customerMessage(customer) };
    },

    listCustomers: async ({ email, pageSize, pageToken }: ListCustomersRequest) => {
      const rowsWanted = pageSizeOf(pageSize);
      const { tenant } = currentRequest();
      const rows = await readCustomers(db, { tenant, email, after: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
      const page = cutPage(rows, rowsWanted, ({ customerId }) => customerId);
      return { customers: page.rows.map(customerMessage), nextPageToken: page.nextPageToken };
    },

    updateCustomer: (request: UpdateCustomerRequest): Promise<{ customer: Message }> =>
      transaction(async (tx) => ({ customer: customerMessage(await update(tx, request, clock.now())) })),
  };
}

async function update(tx: Transaction<CustomersTables>, request: UpdateCustomerRequest, now: Date): Promise<Customer> {
  const { customerId, profile = create(ProfileSchema), updateMask, etag, allowMissing } = request;
  const key = { tenant: currentRequest().tenant, customerId };
  const given = profileFields.filter((field) => profile[field] !== "");
  const fields = assertMask(fieldsToTake(updateMask?.paths ?? [], { fields: profileFields, given }), profileFields);
  const { customer, isNew } = allowMissing
    ? await lockCustomer(tx, key, now)
    : { customer: await lockKnown(tx, key), isNew: false };
  if (!customer) throw customerNotFound(customerId);
  assertNotErased(customer);
  // One that is made here has no etag that anybody could know.
  if (!isNew) assertEtag(etag, customer);
  const changed = taking(customer, { ...customer, ...pick(profile, profileFields) }, fields);
  if (changed) await saveProfile(tx, key, { profile: changed, now });
  const after = changed ? { ...changed, version: customer.version + 1, updateTime: now } : customer;
  await recordChange(tx, {
    resource: { kind: "customer", id: customerId },
    // The profile is left out of it: what has changed is seen by the etag.
    ...(isNew ? {} : { before: shownCustomer(customer) }),
    after: shownCustomer(after),
  });
  return after;
}

const shownCustomer = (customer: Customer) => shown(CustomerSchema, customerMessage(customer));

const pick = <Values extends object, Field extends keyof Values>(values: Values, fields: readonly Field[]): Pick<Values, Field> =>
  Object.fromEntries(fields.map((field) => [field, values[field]])) as Pick<Values, Field>;
