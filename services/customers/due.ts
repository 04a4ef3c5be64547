// Asks all services what they still keep of an erased customer, until none keeps anything.
import { PrivacyService } from "#gen/ordermesh/privacy/v1/privacy_service_pb.ts";
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { keeperOfOrders, keepers, nextCheckMs, waitsMax, type Wait } from "./domain/erasure.ts";
import { checkKind, planCheck } from "./events/check.ts";
import { lockKnown, saveErasureCheck } from "./store/customers.ts";
import type { CustomersTables } from "./store/tables.ts";

type Asking = Pick<ServiceRuntime<CustomersTables>, "clientOf" | "clock">;

export function erasureCheck({ clientOf, clock }: Asking): DueWork {
  const findWaits = remaindersOf({ clientOf });
  return dueWork<CustomersTables, Wait[]>({
    kind: checkKind,
    prepare: ({ key }) => findWaits(key),
    apply: async (tx, items) => {
      for (const { item, prepared: waits } of items) {
        const key = { tenant: item.tenant, customerId: item.key };
        const now = clock.now();
        const customer = await lockKnown(tx, key);
        if (!customer?.eraseTime || customer.eraseDoneTime) continue;
        await saveErasureCheck(tx, key, { waits, now });
        if (waits.length > 0) await planCheck(tx, key, { inMs: nextCheckMs(customer.eraseTime, now), cause: item.cause });
      }
    },
  });
}

/** Throws where a service cannot be asked: it is asked again. */
function remaindersOf({ clientOf }: Pick<Asking, "clientOf">): (customerId: string) => Promise<Wait[]> {
  const clients = keepers.map((service) => ({ service, client: clientOf(PrivacyService, service) }));
  const orders = clientOf(PrivacyService, keeperOfOrders);
  const ask = async (customerId: string, orderIds: string[]): Promise<Wait[]> => {
    const asked = clients.map(async ({ service, client }) => {
      const { remainders } = await client.listRemainders({ service, customerId, orderIds });
      return remainders.map(({ kind, id, reason }) => ({ service, kind, id, reason }));
    });
    return (await Promise.all(asked)).flat();
  };
  return async (customerId) => {
    const waits = await ask(customerId, []);
    // What others keep of an order that is still waited for is erased with it, and says nothing more.
    const waited = new Set(waits.filter(({ service }) => service === keeperOfOrders).map(({ id }) => id));
    let pageToken = "";
    do {
      const page = await orders.exportPersonalData({ service: keeperOfOrders, customerId, pageToken });
      pageToken = page.nextPageToken;
      const orderIds = page.records.map(({ id }) => id).filter((id) => !waited.has(id));
      if (orderIds.length > 0) waits.push(...(await ask(customerId, orderIds)));
    } while (pageToken !== "" && waits.length < waitsMax);
    return waits.slice(0, waitsMax);
  };
}
