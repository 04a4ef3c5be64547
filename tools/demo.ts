// Places orders through the public API at a steady rate and shows what becomes of them.
//   npm run demo -- --orders 200 --rate 20 --url http://127.0.0.1:8080
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { demoOperatorSecret } from "../services/identity/seed.ts";
import { clientTokens, fetchWith } from "./operator.ts";
import { placeAndFollow, type Outcome } from "./demo/place.ts";
import { report } from "./demo/report.ts";
import { planOrder, type Article } from "./demo/traffic.ts";

interface Settings {
  orders: number;
  perSecond: number;
  url: string;
  operatorSecret: string;
}

/** Orders that are followed at once; beyond it placing waits, so that the demonstration does not pile up. */
const followedMax = 1_000;

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      orders: { type: "string", default: "200" },
      rate: { type: "string", default: "20" },
      url: { type: "string", default: `http://127.0.0.1:${process.env["ORDERMESH_EDGE_PORT"] ?? "8080"}` },
      "operator-secret": { type: "string", default: demoOperatorSecret },
    },
  });
  const [orders, perSecond] = [Number(values.orders), Number(values.rate)];
  const fits = Number.isInteger(orders) && orders >= 1 && orders <= 1_000_000 && perSecond > 0 && perSecond <= 10_000;
  if (!fits) throw new Error("--orders takes 1 to 1000000, --rate takes orders per second up to 10000.");
  return { orders, perSecond, url: values.url, operatorSecret: values["operator-secret"] };
}

async function readArticles(url: string): Promise<Article[]> {
  const answer = await fetch(`${url}/v1/products?pageSize=200`).catch(() => undefined);
  if (!answer?.ok)
    throw new Error(`No shop answers at ${url}: start the mesh with "npm start", or name another place with --url.`);
  const { products } = (await answer.json()) as {
    products: { variants: { sku: string; prices: { currencyCode: string }[] }[] }[];
  };
  const articles = products.flatMap(({ variants }) =>
    variants.flatMap(({ sku, prices }) => prices.map(({ currencyCode }) => ({ sku, currency: currencyCode }))),
  );
  if (articles.length === 0) throw new Error(`The catalogue at ${url} is empty: start the mesh without ORDERMESH_SEED=none.`);
  return articles;
}

function showProgress(outcomes: readonly Outcome[], placed: number, settings: Settings): void {
  const ended = outcomes.length;
  const good = outcomes.filter((outcome) => outcome.fate === "delivered").length;
  const line = `placed ${placed}/${settings.orders}   under way ${placed - ended}   delivered ${good}   ended otherwise ${ended - good}`;
  process.stdout.write(process.stdout.isTTY ? `\r\u001B[K${line}` : `${line}\n`);
}

async function run(settings: Settings): Promise<Outcome[]> {
  const articles = await readArticles(settings.url);
  const { url: edgeUrl, operatorSecret: clientSecret } = settings;
  const shop = fetchWith(edgeUrl, clientTokens({ edgeUrl, clientSecret }));
  const outcomes: Outcome[] = [];
  const following = new Set<Promise<void>>();
  let placed = 0;
  const progress = setInterval(() => showProgress(outcomes, placed, settings), process.stdout.isTTY ? 200 : 2_000);
  const startedMs = performance.now();
  for (let index = 0; index < settings.orders; index += 1) {
    const waitMs = startedMs + (index * 1_000) / settings.perSecond - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    if (following.size >= followedMax) await Promise.race(following);
    placed += 1;
    const one = placeAndFollow(shop, planOrder(index, articles)).then((outcome) => {
      outcomes.push(outcome);
      following.delete(one);
    });
    following.add(one);
  }
  await Promise.all(following);
  clearInterval(progress);
  showProgress(outcomes, placed, settings);
  if (process.stdout.isTTY) process.stdout.write("\n");
  return outcomes;
}

try {
  const settings = readSettings();
  const { text, addsUp } = report(await run(settings), settings.orders);
  console.log(text);
  if (!addsUp) console.error("This does not add up: see the lines that failed, and the mesh's log.");
  process.exit(addsUp ? 0 : 1);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
