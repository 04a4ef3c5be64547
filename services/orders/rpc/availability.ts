// Whether there is enough of everything that an order wants: inventory is asked once for all who ask at the same moment, and for a
// moment not at all where there is plenty.
import { Code } from "@connectrpc/connect";
import { PreconditionFailureSchema } from "#gen/google/rpc/error_details_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { createGroup } from "#runtime/group.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { inServiceContext } from "#runtime/service-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { shortagesOf, type Shortage, type WantedItem } from "../domain/place.ts";
import type { OrdersTables } from "../store/tables.ts";
import { createPlenty } from "./plenty.ts";
import { chunksOf } from "./prices.ts";

const questionsMax = 100;
const waitingMax = 5_000;
const skusInRequestMax = 1_000;

interface Question {
  tenant: string;
  wanted: readonly WantedItem[];
}

/** Refuses what cannot be had now. It is a look and no hold: the hold comes with the order, and decides. */
export type CheckAvailability = (wanted: readonly WantedItem[]) => Promise<void>;

export function createAvailabilityCheck(runtime: Pick<ServiceRuntime<OrdersTables>, "client">): CheckAvailability {
  const inventory = runtime.client(InventoryService);
  const plenty = createPlenty();

  const ask = async (tenant: string, skus: readonly string[]): Promise<Map<string, number>> => {
    const answers = await Promise.all(
      chunksOf(skus, skusInRequestMax).map((some) =>
        inServiceContext(tenant, () => inventory.batchGetAvailability({ skus: some })),
      ),
    );
    return new Map(answers.flatMap(({ availabilities }) => availabilities.map(({ sku, available }) => [sku, Number(available)])));
  };

  const group = createGroup<Question, ReadonlyMap<string, number>>({
    run: async (questions) => {
      const available = new Map<string, Map<string, number>>();
      for (const [tenant, asked] of Map.groupBy(questions, (question) => question.tenant)) {
        const askedMs = performance.now();
        const wanted = asked.flatMap((question) => question.wanted.map(({ sku }) => sku));
        const skus = new Set([...wanted, ...plenty.renewals(tenant, askedMs)]);
        const answer = await ask(tenant, [...skus]);
        plenty.learn(tenant, answer, askedMs);
        available.set(tenant, answer);
      }
      return questions.map(({ tenant }) => available.get(tenant) ?? new Map());
    },
    isOfOne: () => false,
    itemsMax: questionsMax,
    inFlightMax: 2,
    waitingMax,
  });

  return async (wanted) => {
    const { tenant } = currentRequest();
    if (plenty.covers(tenant, wanted, performance.now())) return;
    const available = await group.add({ tenant, wanted });
    const shortages = shortagesOf(wanted, available);
    if (shortages.length > 0) throw stockUnavailable(shortages);
  };
}

function stockUnavailable(shortages: readonly Shortage[]): Error {
  const told = shortages.map(({ sku, requested, available }) => ({
    sku,
    words: `${requested} asked, ${available} available`,
  }));
  const list = told.map(({ sku, words }) => `${sku} (${words})`).join(", ");
  return refuse(
    Code.Aborted,
    "STOCK_UNAVAILABLE",
    `not enough stock: ${list}`,
    Object.fromEntries(told.map(({ sku, words }) => [sku, words])),
    [
      {
        desc: PreconditionFailureSchema,
        value: { violations: told.map(({ sku, words }) => ({ type: "STOCK", subject: sku, description: words })) },
      },
    ],
  );
}
