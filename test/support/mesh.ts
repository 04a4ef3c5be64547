// The whole mesh in this process, on a database and a NATS of its own, with a carrier that does not dawdle.
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrderState, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService, type PlaceOrderRequestSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { createLogger } from "#runtime/log.ts";
import { bearer } from "../../tools/bearer.ts";
import { clientTokens, fetchWith, throwAwayIdentity, withoutLimits } from "../../tools/operator.ts";
import { startMesh, type Mesh } from "../../services/mesh.ts";
import { createTestDatabase } from "./database.ts";
import { testNats, type TestNats } from "./nats.ts";
import { eventually, until } from "./until.ts";

export type Basket = Omit<MessageInitShape<typeof PlaceOrderRequestSchema>, "$typeName" | "$unknown">;

export interface TestMesh extends Mesh {
  rpcUrl: string;
  edgeUrl: string;
  natsUrl: string;
  databaseUrl: string;
  /** An operator's, who may ask for every customer. */
  token(): Promise<string>;
  /** Shows the operator's token. */
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  /** The same, for paths of the edge. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  orders: Client<typeof OrdersService>;
  inventory: Client<typeof InventoryService>;
  /** Creates a product of one variant and waits until its stock is booked. */
  product(sku: string, options?: { stock?: number; minorUnits?: number }): Promise<void>;
  place(change?: Basket): Promise<Order>;
  /** Waits until the order is in the state. */
  reached(orderId: string, state: OrderState): Promise<Order>;
}

/** Stops the given NATS with itself. */
export async function testMesh(env: Record<string, string> = {}, given?: TestNats): Promise<TestMesh> {
  const [database, nats] = await Promise.all([createTestDatabase(), given ?? testNats()]);
  const mesh = await startMesh({
    env: {
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      ...throwAwayIdentity,
      ...withoutLimits,
      ORDERMESH_EDGE_PORT: "0",
      ORDERMESH_RPC_PORT: "0",
      ORDERMESH_SEED: "none",
      ORDERMESH_DATABASE_CONNECTIONS: "6",
      ORDERMESH_CARRIER_DISPATCH_MS: "100",
      ORDERMESH_CARRIER_DELIVER_MS: "100",
      // Other tests use the machine too: only where it is meant to be is a call refused because they are slow.
      ORDERMESH_CALL_TARGET_MS: "30000",
      ...env,
    },
    only: [],
    log: createLogger({ level: process.env["MESH_LOG"] ?? "silent" }),
    onProgress: () => {},
  });
  const rpcUrl = `http://127.0.0.1:${mesh.rpcPort}`;
  const edgeUrl = `http://127.0.0.1:${mesh.edgePort}`;
  const token = clientTokens({ rpcUrl });
  const transport = createConnectTransport({ baseUrl: rpcUrl, httpVersion: "2", interceptors: [bearer(token)] });
  const client = <Desc extends DescService>(service: Desc): Client<Desc> => createClient(service, transport);
  const orders = client(OrdersService);
  const inventory = client(InventoryService);
  const catalog = client(CatalogService);

  return {
    ...mesh,
    rpcUrl,
    edgeUrl,
    token,
    fetch: fetchWith(edgeUrl, token),
    natsUrl: nats.url,
    databaseUrl: database.url,
    client,
    orders,
    inventory,
    product: async (sku, { stock = 100, minorUnits = 1000 } = {}) => {
      const prices = ["EUR", "USD"].map((currencyCode) => ({ currencyCode, minorUnits: BigInt(minorUnits) }));
      await catalog.createProduct({ title: sku, variants: [{ variant: { sku, prices }, initialStock: BigInt(stock) }] });
      await until(() =>
        inventory.getStock({ sku }).then(
          () => true,
          () => false,
        ),
      );
    },
    place: async (change = {}) => {
      const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: 1n }] };
      const { order } = await orders.placeOrder({ ...basket, ...change });
      if (!order) throw new Error("no order in the answer");
      return order;
    },
    reached: async (orderId, state) => {
      let last: Order | undefined;
      await eventually(async () => {
        last = (await orders.getOrder({ orderId })).order;
        if (last?.state !== state)
          throw new Error(`order ${orderId} is in state ${last?.state} (${last?.cancelReason}), not ${state}`);
      });
      if (!last) throw new Error(`order ${orderId} was never read`);
      return last;
    },
    close: async () => {
      await mesh.close();
      await nats.stop();
      await database.drop();
    },
  };
}

/** The stock of one SKU: on hand, reserved, and the sum of its movements. */
export async function stockOf(mesh: TestMesh, sku: string): Promise<{ onHand: number; reserved: number; moved: number }> {
  const { stock } = await mesh.inventory.getStock({ sku });
  const { movements } = await mesh.inventory.listStockMovements({ sku, pageSize: 200 });
  return {
    onHand: Number(stock?.onHand),
    reserved: Number(stock?.reserved),
    moved: movements.reduce((sum, movement) => sum + Number(movement.quantity), 0),
  };
}

export { OrderState };
