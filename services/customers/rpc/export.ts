// Everything that all services keep about a customer, record by record: no more than a page of it is in memory.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ExportCustomerResponseSchema } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { PrivacyService, type PersonalRecord } from "#gen/ordermesh/privacy/v1/privacy_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { keeperOfOrders, keepers } from "../domain/erasure.ts";
import type { CustomersTables } from "../store/tables.ts";

type Exported = MessageInitShape<typeof ExportCustomerResponseSchema>;
type Question = { service: string; customerId: string; orderIds: string[] };

export function exportMethod({ clientOf }: Pick<ServiceRuntime<CustomersTables>, "clientOf">) {
  const clients = new Map(keepers.map((service) => [service as string, clientOf(PrivacyService, service)]));
  const others = keepers.filter((service) => service !== keeperOfOrders);

  async function* pagesOf(question: Question): AsyncGenerator<PersonalRecord[]> {
    let pageToken = "";
    do {
      const page = await clients.get(question.service)!.exportPersonalData({ ...question, pageToken });
      yield page.records;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }
  async function* recordsOf(question: Question): AsyncGenerator<Exported> {
    for await (const records of pagesOf(question)) yield* records.map(shownBy(question.service));
  }

  return async function* exportCustomer({ customerId }: { customerId: string }): AsyncGenerator<Exported> {
    for (const service of others) yield* recordsOf({ service, customerId, orderIds: [] });
    for await (const orders of pagesOf({ service: keeperOfOrders, customerId, orderIds: [] })) {
      yield* orders.map(shownBy(keeperOfOrders));
      const orderIds = orders.map(({ id }) => id);
      if (orderIds.length === 0) continue;
      for (const service of others) yield* recordsOf({ service, customerId, orderIds });
    }
  };
}

const shownBy =
  (service: string) =>
  ({ kind, id, content }: PersonalRecord): Exported => ({ service, kind, id, ...(content && { content }) });
