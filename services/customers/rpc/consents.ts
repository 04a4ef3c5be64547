// What a customer has allowed: each change is a record that stays as it is.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { ConsentChangedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { ConsentSchema } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import type {
  ListConsentHistoryRequest,
  ListConsentsRequest,
  RecordConsentRequest,
} from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { insertConsent, readHistory, readHolding, readNewest, type Consent } from "../store/consents.ts";
import { lockCustomer } from "../store/customers.ts";
import type { CustomersTables } from "../store/tables.ts";
import { consentMessage } from "./messages.ts";
import { assertNotErased } from "./refusals.ts";

export function consentMethods({ db, transaction, clock }: ServiceRuntime<CustomersTables>) {
  return {
    recordConsent: (request: RecordConsentRequest) =>
      transaction(async (tx) => ({ consent: consentMessage(await record(tx, request, clock.now())) })),

    listConsents: async ({ customerId, pageSize, pageToken }: ListConsentsRequest) => {
      const rowsWanted = pageSizeOf(pageSize);
      const { tenant } = currentRequest();
      const rows = await readHolding(db, { tenant, customerId, after: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
      const page = cutPage(rows, rowsWanted, ({ purpose }) => purpose);
      return { consents: page.rows.map(consentMessage), nextPageToken: page.nextPageToken };
    },

    listConsentHistory: async ({ customerId, purpose, pageSize, pageToken }: ListConsentHistoryRequest) => {
      const rowsWanted = pageSizeOf(pageSize);
      const { tenant } = currentRequest();
      const key = readPageToken(pageToken);
      const before = key === undefined ? undefined : Number(key);
      const rows = await readHistory(db, { tenant, customerId, purpose, before, rowsMax: rowsWanted + 1 });
      const page = cutPage(rows, rowsWanted, ({ sequence }) => String(sequence));
      return { consents: page.rows.map(consentMessage), nextPageToken: page.nextPageToken };
    },
  };
}

async function record(tx: Transaction<CustomersTables>, request: RecordConsentRequest, now: Date): Promise<Consent> {
  const { customerId, purpose, granted, textVersion } = request;
  const { tenant, caller, call } = currentRequest();
  const key = { tenant, customerId };
  const { customer } = await lockCustomer(tx, key, now);
  assertNotErased(customer);
  const newest = await readNewest(tx, key, purpose);
  if (newest?.granted === granted && newest.textVersion === textVersion) return newest;
  const consent: Consent = {
    customerId,
    sequence: customer.consents + 1,
    consentId: newId("cns"),
    purpose,
    granted,
    textVersion,
    changeTime: now,
    changedBy: caller?.subject ?? "",
    clientId: caller?.clientId ?? "",
    peer: call?.peer ?? "",
  };
  await insertConsent(tx, tenant, consent);
  const message = { customerId, purpose, granted, textVersion, changeTime: timestampFromDate(now) };
  const about = { tenant, sequence: customer.eventsSent + 1, time: now, cause: requestCause() };
  await appendEvents(tx, [outgoing(ConsentChangedSchema, message, about)]);
  const resource = { kind: "consent", id: consent.consentId };
  await recordChange(tx, { resource, after: shown(ConsentSchema, consentMessage(consent)) });
  return consent;
}
