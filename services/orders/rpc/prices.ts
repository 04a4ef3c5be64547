// Prices as catalog tells them, kept for as long as catalog says nothing new.
import { Code } from "@connectrpc/connect";
import { LRUCache } from "lru-cache";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { createGroup } from "#runtime/group.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { inServiceContext } from "#runtime/service-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { standardClass } from "../domain/tax.ts";
import type { OrdersTables } from "../store/tables.ts";

export interface KnownPrice {
  title: string;
  /** Minor units. */
  unitPrice: number;
  /** Of one unit; 0 where it is not known. */
  weightGrams: number;
  taxClass: string;
}

export interface PriceList {
  /** Prices by SKU; refuses SKUs that do not exist or are not sold in the currency, by name. */
  pricesOf(currencyCode: string, skus: readonly string[]): Promise<Map<string, KnownPrice>>;
}

const pricesMax = 50_000;
/** An event that announces a change may be lost with a connection; then a price is old for no longer than this. Milliseconds. */
const pricesKeptMs = 30_000;
const questionsMax = 100;
const waitingMax = 5_000;
const skusInRequestMax = 500;
export const catalogEvents = "ordermesh.catalog.events.>";

interface Question {
  tenant: string;
  currencyCode: string;
  skus: readonly string[];
}

type Answer = KnownPrice | "unknown" | "not_sold";

export function createPriceList(runtime: Pick<ServiceRuntime<OrdersTables>, "client" | "onEvent">): PriceList {
  const catalog = runtime.client(CatalogService);
  const known = new LRUCache<string, KnownPrice>({ max: pricesMax, ttl: pricesKeptMs });
  // What was asked before an event came may be old when it is answered after it.
  let generation = 0;
  runtime.onEvent(catalogEvents, () => {
    generation += 1;
    known.clear();
  });

  const ask = async ({ tenant, currencyCode }: Question, skus: readonly string[]): Promise<Map<string, Answer>> => {
    const asked = generation;
    const found = await inServiceContext(tenant, () => catalog.batchGetPrices({ currencyCode, skus: [...skus] }));
    const answers = new Map<string, Answer>(found.unknownSkus.map((sku) => [sku, "unknown"]));
    for (const sku of found.skusWithoutPrice) answers.set(sku, "not_sold");
    for (const { sku, title, unitPrice, weightGrams, taxClass } of found.prices) {
      const price = {
        title,
        unitPrice: Number(unitPrice?.minorUnits ?? 0n),
        weightGrams: Number(weightGrams),
        taxClass: taxClass || standardClass,
      };
      answers.set(sku, price);
      if (asked === generation) known.set(keyOf(tenant, currencyCode, sku), price);
    }
    return answers;
  };

  /** One call for all that ask about a tenant's prices in a currency, whatever their number. */
  const group = createGroup<Question, Map<string, Answer>>({
    run: async (questions) => {
      const byList = Map.groupBy(questions, ({ tenant, currencyCode }) => keyOf(tenant, currencyCode, ""));
      const answers = new Map<string, Map<string, Answer>>();
      for (const [list, [first, ...others]] of byList) {
        if (!first) continue;
        const skus = [...new Set([first, ...others].flatMap((question) => question.skus))];
        const found = await Promise.all(chunksOf(skus, skusInRequestMax).map((some) => ask(first, some)));
        answers.set(list, new Map(found.flatMap((some) => [...some])));
      }
      return questions.map(({ tenant, currencyCode }) => answers.get(keyOf(tenant, currencyCode, "")) ?? new Map());
    },
    isOfOne: () => false,
    itemsMax: questionsMax,
    inFlightMax: 2,
    waitingMax,
  });

  return {
    pricesOf: async (currencyCode, skus) => {
      const { tenant } = currentRequest();
      const prices = new Map<string, KnownPrice>();
      const missing: string[] = [];
      for (const sku of new Set(skus)) {
        const price = known.get(keyOf(tenant, currencyCode, sku));
        if (price) prices.set(sku, price);
        else missing.push(sku);
      }
      if (missing.length === 0) return prices;
      const answers = await group.add({ tenant, currencyCode, skus: missing });
      refuseMissing(missing, answers, currencyCode);
      for (const sku of missing) {
        const answer = answers.get(sku);
        if (typeof answer === "object") prices.set(sku, answer);
      }
      return prices;
    },
  };
}

const keyOf = (tenant: string, currencyCode: string, sku: string): string => `${tenant}.${currencyCode}.${sku}`;

export function chunksOf<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}

function refuseMissing(skus: readonly string[], answers: ReadonlyMap<string, Answer>, currency: string): void {
  const unknown = skus.filter((sku) => (answers.get(sku) ?? "unknown") === "unknown");
  if (unknown.length > 0) {
    const list = unknown.join(", ");
    throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", `no product has SKU ${list}`, { skus: list });
  }
  const notSold = skus.filter((sku) => answers.get(sku) === "not_sold");
  if (notSold.length > 0) {
    const list = notSold.join(", ");
    throw refuse(Code.FailedPrecondition, "CURRENCY_NOT_SOLD", `${list} cannot be bought in ${currency}`, {
      skus: list,
      currency,
    });
  }
}
