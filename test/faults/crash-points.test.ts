// Every step of the order flow dies at every point at which dying hurts: before its commit, after it, before its
// acknowledgement, with the provider's yes in hand, around a publish. One process after the other, under a load of orders
// with all fates; then the books must be exact.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { expect, test } from "vitest";
import { eventStream } from "#runtime/events/streams.ts";
import { carrierSecrets } from "../../tools/faults/carrier.ts";
import { createSender, type Sender } from "../../tools/faults/command.ts";
import { products } from "../../tools/faults/goods.ts";
import { judge, type Judgement } from "../../tools/faults/ledger/judge.ts";
import { createProducts, startLoad } from "../../tools/faults/load.ts";
import { startProcess, type BenchProcess } from "../../tools/faults/processes.ts";
import { isQuiet } from "../../tools/faults/quiet.ts";
import { seededRandom } from "../../tools/faults/random.ts";
import { comeToRest } from "../../tools/faults/rest.ts";
import { allSteps, serviceNames, type Step } from "../../tools/faults/steps.ts";
import { evenDeck, type Shape } from "../../tools/faults/traffic.ts";
import { createTestDatabase } from "../support/database.ts";
import { testNats } from "../support/nats.ts";
import { freePorts } from "../support/ports.ts";
import { until } from "../support/until.ts";

/** Whoever dies is replaced soon, and what it had in hand comes again soon; the rest is as in production. */
const hurried = {
  ORDERMESH_TEST_LEASE_MS: "1000",
  ORDERMESH_TEST_ACK_WAIT_MS: "1200",
  ORDERMESH_TEST_CLAIM_MS: "2500",
  ORDERMESH_ORDER_LIFE_SECONDS: "15",
  ORDERMESH_CARRIER_DISPATCH_MS: "1500",
  ORDERMESH_CARRIER_DELIVER_MS: "100",
  ORDERMESH_SANDBOX_DELAY_MS: "300",
  ORDERMESH_CARRIER_WEBHOOK_SECRETS: carrierSecrets(["demo"]),
  ORDERMESH_SEED: "none",
  ORDERMESH_LOG_LEVEL: "warn",
  ORDERMESH_DATABASE_CONNECTIONS: "5",
};
/** One process a core: what takes most of the time is to start it again after each death. */
const lanes = 2;
const ordersPerSecond = 3;
/** A machine that is slow gets fewer orders, not a backlog that grows from death to death. */
const ordersUnderWayMax = 40;
const deathMsMax = 90_000;
const calmMsMax = 30_000;
const testMsMax = 1_200_000;

/**
 * Operations takes no part in the flow of an order: it speaks only where something has gone wrong. Nor does identity, which speaks
 * only of tokens that are taken back; how it dies is in test/identity/deaths.test.ts. Nobody is erased here: that is in
 * test/privacy/deaths.test.ts. Nobody is told of its order either: that is in test/notifications/deaths.test.ts. Nobody uploads an image
 * here, so that the catalogue hears of none, and how media dies in an upload is in test/faults/uploads.test.ts.
 */
const othersFlow = ["operations", "identity", "customers", "notifications", "media"];
/**
 * The due work of a change is left to somebody else only where who confirms it has died: that is in
 * test/faults/changes-and-returns.test.ts. No order loses its stock or its money once it is ready, so that no parcel is to be stopped.
 * No carrier is called: who dies of that is in test/faults/bookings.test.ts.
 */
const notReached = ["orders.change", "orders.stop_parcel", "catalog.image", "shipping.book", "shipping.unbook"];
const isOfOrders = ({ service, name }: Step): boolean =>
  !othersFlow.includes(service) && !/\.erase(_customer)?$/.test(name) && !notReached.includes(name);
/** All of them take longer than all other tests: by `npm run test:crash-points`. Else each step dies at one, its neighbour at another. */
const isWhole = process.env["ALL_CRASH_POINTS"] === "1";
/** Where not all die, nobody changes an order or sends goods back: that is in test/faults/changes-and-returns.test.ts, too. */
const ofChanges = /chang|return|exchange|sent_back/;
const stepsOfOrders = allSteps().filter((one) => isOfOrders(one) && (isWhole || !ofChanges.test(one.name)));
const deck = evenDeck.filter((shape) => isWhole || shape.endsWith("returned") || !ofChanges.test(shape));
const pointsOf = ({ points: all }: Step, index: number): string[] => (isWhole ? all : all.slice(index % all.length).slice(0, 1));
/** A part of them: CRASH_POINTS=^payments npm run test:crash-points. */
const chosen = new RegExp(process.env["CRASH_POINTS"] ?? "");
const points = [...new Set(stepsOfOrders.flatMap(pointsOf))].filter((point) => chosen.test(point));
/**
 * Holds whose time is over are rare. So their points have a lane of their own, whose holds end at once, with orders that wait for a
 * person until their time is over.
 */
const isOfHolds = (point: string): boolean => point.startsWith("inventory.hold.expire:");

interface LanePlan {
  name: string;
  lanePoints: string[];
  shapes: readonly Shape[];
  env: Record<string, string>;
}

const allPlans: LanePlan[] = [
  ...Array.from({ length: lanes }, (_, lane) => ({
    name: `lane-${lane + 1}`,
    lanePoints: points.filter((point) => !isOfHolds(point)).filter((_point, index) => index % lanes === lane),
    shapes: deck,
    env: {},
  })),
  {
    name: "holds",
    lanePoints: points.filter(isOfHolds),
    shapes: ["review_left"],
    env: { ORDERMESH_HOLD_GRACE_SECONDS: "0", ORDERMESH_ORDER_LIFE_SECONDS: "4" },
  },
];
const plans = allPlans.filter(({ lanePoints }) => lanePoints.length > 0);

interface Lane {
  process: BenchProcess;
  sender: Sender;
  manager: JetStreamManager;
  db: pg.Client;
}

/** Lets the process die at one point after the other; answers those that were not reached in their time. */
async function dieAtEach(lanePoints: readonly string[], { process, sender, manager, db }: Lane): Promise<string[]> {
  const missed: string[] = [];
  for (const [index, point] of lanePoints.entries()) {
    const died = process.deaths().atPoints.length;
    process.armCrash(point, 1);
    const product = { title: point, variants: [{ variant: { sku: `POINT-${index}`, prices: [price] }, initialStock: "1" }] };
    // Products are made all the time too: their first stock is a step like the others.
    const made = sender.send({ path: "/v1/products", body: product, key: `product-${index}` });
    // And so are shops, for which every service has to make itself ready.
    const tenant = sender.send({ path: "/v1/tenants", body: { tenantId: `shop-${index}` }, key: `tenant-${index}` });
    const hasDied = (): boolean => process.deaths().atPoints.length > died;
    const reached = async (): Promise<boolean> => {
      if (point.startsWith("payments.settle:")) await letProviderAnswer(db);
      if (point.startsWith("payments.reconcile:")) await letProviderTell(db);
      if (point.startsWith("fraud.review_deadline:")) await letReviewEnd(db);
      return hasDied();
    };
    await until(reached, { timeoutMs: deathMsMax }).catch(() => missed.push(point));
    const inHand = await deliveredSoFar(manager);
    await Promise.all([made, tenant]);
    // Before the next death: an event that is in hand at several would be taken for their cause.
    await until(() => isDone(manager, inHand), { timeoutMs: calmMsMax }).catch(() => {});
  }
  return missed;
}

/** What became of an authorisation is looked for until the provider answers; the sandbox's card for it never does by itself. */
async function letProviderAnswer(db: pg.Client): Promise<void> {
  await db.query(
    "update payments.sandbox_operation set outcome = 'DECLINED', code = 'came_late' where outcome = 'UNREACHABLE' and create_time < now() - interval '10 seconds'",
  );
  await db.query("update payments.due_work set due_time = now() where kind = 'payments.settle' and due_time > now()");
}

/** A provider's message makes us look into its books; the sandbox sends none. */
async function letProviderTell(db: pg.Client): Promise<void> {
  await db.query(
    `insert into payments.due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
     select 'due_' || payment_id, 'payments.reconcile', tenant_id, order_id, now(), due_event_id, ''
     from payments.payment where state = 'CAPTURED' order by update_time desc limit 1
     on conflict do nothing`,
  );
}

/** Reviews have the time of their orders where no shop says otherwise, and then the end of the order ends them. */
async function letReviewEnd(db: pg.Client): Promise<void> {
  await db.query(
    `insert into fraud.due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
     select 'due_' || order_id, 'fraud.review_deadline', tenant_id, order_id, now(), order_event_id, ''
     from fraud.assessment where state = 'REVIEW' order by create_time desc limit 1
     on conflict do nothing`,
  );
}

const price = { currencyCode: "EUR", minorUnits: "100" };

async function deliveredSoFar(manager: JetStreamManager): Promise<Map<string, number>> {
  const delivered = new Map<string, number>();
  for await (const { name, delivered: to } of manager.consumers.list(eventStream)) delivered.set(name, to.stream_seq);
  return delivered;
}

async function isDone(manager: JetStreamManager, inHand: ReadonlyMap<string, number>): Promise<boolean> {
  for await (const { name, ack_floor: floor, num_ack_pending: pending } of manager.consumers.list(eventStream)) {
    if (pending > 0 && floor.stream_seq < (inHand.get(name) ?? 0)) return false;
  }
  return true;
}

async function survive(plan: LanePlan): Promise<{ missed: string[]; died: string[]; judgement: Judgement }> {
  const logFolder = await mkdtemp(join(tmpdir(), "ordermesh-crash-"));
  const [database, nats, [edgePort = 0, rpcPort = 0]] = await Promise.all([createTestDatabase(), testNats(), freePorts(2)]);
  const ports = { ORDERMESH_EDGE_PORT: String(edgePort), ORDERMESH_RPC_PORT: String(rpcPort) };
  const env = { ...hurried, ...plan.env, ...ports, DATABASE_URL: database.url, NATS_URL: nats.url };
  const process = await startProcess({ name: plan.name, env, logFolder });
  const ending = new AbortController();
  const enough = new AbortController();
  const connection = await connect({ servers: nats.url });
  const db = new pg.Client({ connectionString: database.url });
  try {
    await db.connect();
    const manager = await jetstreamManager(connection);
    const sender = createSender(`http://127.0.0.1:${edgePort}`, ending.signal);
    await createProducts(sender, products);
    const load = startLoad({
      tenant: "demo",
      sender,
      name: plan.name,
      random: seededRandom(1),
      shapes: plan.shapes,
      perSecond: ordersPerSecond,
      openMax: ordersUnderWayMax,
      durationMs: testMsMax,
      enough: enough.signal,
      signal: ending.signal,
    });
    const missed = await dieAtEach(plan.lanePoints, { process, sender, manager, db });
    enough.abort();
    const waiting = { db, manager, services: serviceNames, openCommands: load.open, signal: ending.signal };
    const { underWay } = await comeToRest(waiting, process.setClock);
    expect(isQuiet(underWay), JSON.stringify(underWay)).toBe(true);
    const judgement = await judge({
      db,
      connection,
      services: serviceNames,
      shops: [{ tenant: "demo", products, asked: load.asked }],
    });
    return { missed, died: process.deaths().atPoints, judgement };
  } finally {
    ending.abort();
    await process.end();
    await db.end();
    await connection.close();
    await nats.stop();
    await database.drop();
    await rm(logFolder, { recursive: true, force: true });
  }
}

test.concurrent.each(plans)(
  "$name: orders survive a death at every point of every step, with exact stock and money",
  async (plan) => {
    const { missed, died, judgement } = await survive(plan);
    expect(missed).toEqual([]);
    expect(died).toEqual(plan.lanePoints);
    expect(judgement.disagreements).toEqual([]);
    expect(judgement.deadLetters).toEqual([]);
    expect(judgement.checked).toBeGreaterThan(0);
  },
  testMsMax,
);
