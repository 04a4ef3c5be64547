// How long it takes from a change of an order until those who watch have it, over server-sent events through the edge.
import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient, type Client } from "@connectrpc/connect";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { operatorTransport } from "../../operator.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, type Run, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { percentile, startBenchMesh } from "../mesh.ts";
import { unbounded, unhurried } from "../settings.ts";
import { openWatchers } from "../watch-load.ts";

const changesPerSecond = 50;
/** Each of them is sent every change. */
const followersOfAll = 20;
const placingAtOnce = 32;
const dayMs = 86_400_000;

type Orders = Client<typeof OrdersService>;

/** They are to begin in a month, so that nothing but their cancellation happens to them. */
async function placeOrders(orders: Orders, customerIds: readonly string[]): Promise<string[]> {
  const processAfter = timestampFromDate(new Date(Date.now() + 30 * dayMs));
  const items = [{ sku: benchSkus[0] ?? "", quantity: 1n }];
  const orderIds: string[] = [];
  const left = [...customerIds.entries()];
  const placer = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) {
      const [index, customerId] = next;
      const basket = { customerId, currency: "EUR", paymentToken: "tok_success", items, processAfter };
      orderIds[index] = (await orders.placeOrder(basket)).order?.orderId ?? "";
    }
  };
  await Promise.all(Array.from({ length: placingAtOnce }, placer));
  return orderIds;
}

async function cancelEvenly(orders: Orders, orderIds: readonly string[]): Promise<void> {
  const startedMs = performance.now();
  const cancelling = orderIds.map(async (orderId, index) => {
    await sleep(Math.max(0, startedMs + (index * 1_000) / changesPerSecond - performance.now()));
    await orders.cancelOrder({ orderId });
  });
  await Promise.all(cancelling);
}

interface Variant {
  series: Series;
  pathsOf(placed: { customerIds: readonly string[]; orderIds: readonly string[] }): string[];
  /** Watchers that are sent one change. */
  watchersOfEach: number;
}

async function measure(
  mesh: { edgeUrl: string },
  orders: Orders,
  about: { paths: string[]; cancelled: string[]; expected: number },
): Promise<Run> {
  const watchers = await openWatchers({ edgeUrl: mesh.edgeUrl, paths: about.paths });
  try {
    await cancelEvenly(orders, about.cancelled);
    const { seenMs, errors } = await watchers.seen(about.expected);
    const missing = about.expected - seenMs.length;
    const p50Ms = percentile(seenMs, 0.5);
    const unseen = missing === 0 ? {} : { "changes not seen once by each": Math.abs(missing) };
    return { value: p50Ms, p50Ms, p99Ms: percentile(seenMs, 0.99), errors: { ...errors, ...unseen } };
  } finally {
    await watchers.close();
  }
}

export const watch: Group = {
  name: "watch",
  about: `milliseconds until watchers see a change, at ${changesPerSecond} changes a second`,
  run: async ({ seconds, repeats, watchers, say }: GroupOptions) => {
    const env = {
      ORDERMESH_WATCHERS_MAX: String(watchers + followersOfAll),
      ORDERMESH_STREAMS_PER_CLIENT: String(watchers + followersOfAll),
    };
    const connections = { ORDERMESH_EDGE_CONNECTIONS_PER_ADDRESS: String(watchers + 1_000) };
    const mesh = await startBenchMesh({ ...unhurried, ...unbounded, ...env, ...connections });
    const seriesOf = (variant: string): Series => newSeries({ name: "watch", variant, unit: "ms" });
    const variants: Variant[] = [
      {
        series: seriesOf(`${watchers} watchers, an order each`),
        pathsOf: ({ orderIds }) => orderIds.map((orderId) => `/v1/orders/${orderId}:watch`),
        watchersOfEach: 1,
      },
      {
        series: seriesOf(`${watchers} watchers, a customer each`),
        pathsOf: ({ customerIds }) => customerIds.map((customerId) => `/v1/orders:watch?customerId=${customerId}`),
        watchersOfEach: 1,
      },
      {
        series: seriesOf(`${followersOfAll} watchers of all orders`),
        pathsOf: () => Array.from({ length: followersOfAll }, () => "/v1/orders:watch"),
        watchersOfEach: followersOfAll,
      },
    ];
    const changes = Math.min(Math.round(changesPerSecond * seconds), Math.floor(watchers / variants.length));
    try {
      const orders = createClient(OrdersService, operatorTransport(mesh.rpcUrl));
      await stockCatalogue(mesh.rpcUrl);
      for (let round = 1; round <= repeats; round += 1) {
        say(`watch: round ${round} of ${repeats}, ${watchers} orders`);
        const customerIds = Array.from({ length: watchers }, (_, index) => `watched-${round}-${index}`);
        const orderIds = await placeOrders(orders, customerIds);
        for (const [index, { series, pathsOf, watchersOfEach }] of variants.entries()) {
          const cancelled = orderIds.slice(index * changes, (index + 1) * changes);
          // Those of before are final: their streams would end at once.
          const left = { customerIds, orderIds: orderIds.slice(index * changes) };
          say(`watch: ${series.variant}`);
          const expected = changes * watchersOfEach;
          series.runs.push(await measure(mesh, orders, { paths: pathsOf(left), cancelled, expected }));
        }
      }
      return variants.map(({ series }) => series);
    } finally {
      await mesh.close();
    }
  },
};
