// The tenants of a run: the installation's own, and others that are made as a person makes them.
import { createSender, type Sender } from "./command.ts";
import { productsOf, type Product } from "./goods.ts";
import { createProducts, type Load } from "./load.ts";

export interface BenchShop {
  tenant: string;
  products: readonly Product[];
  sender: Sender;
}

/** What is at work in it. */
export type WorkingShop = BenchShop & { load: Load };

const home = "demo";
/** More than a machine of few cores has time for. */
export const shopsMax = 20;

const shopName = (number: number): string => (number === 0 ? home : `shop-${number + 1}`);

/** Of all tenants that a run may have. */
export const shopNames: readonly string[] = Array.from({ length: shopsMax }, (_, number) => shopName(number));

/** Each with its own operator, and with products of the same SKUs. */
export async function openShops(url: string, tenants: number, signal: AbortSignal): Promise<BenchShop[]> {
  const ofHome = createSender(url, signal);
  const shops: BenchShop[] = [{ tenant: home, products: productsOf(0), sender: ofHome }];
  for (let number = 1; number < tenants; number += 1) {
    const tenant = shopName(number);
    const made = await ofHome.send({ path: "/v1/tenants", body: { tenantId: tenant }, key: tenant });
    const { clientId, clientSecret } = made.kind === "accepted" ? made.body : {};
    if (typeof clientId !== "string" || typeof clientSecret !== "string" || clientSecret === "") {
      throw new Error(`tenant ${tenant} was not made, or its secret was lost on the way: ${made.kind}`);
    }
    const sender = createSender(url, signal, { clientId, clientSecret });
    shops.push({ tenant, products: productsOf(number), sender });
  }
  for (const { sender, products } of shops) await createProducts(sender, products);
  return shops;
}
