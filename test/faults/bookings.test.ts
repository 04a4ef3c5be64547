// Whoever has a carrier's yes in hand dies before it is written down: the next one finds it, and the parcel is booked once.
import { once } from "node:events";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCarrier, type TestCarrier } from "../support/carrier.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { startDyingMesh } from "./dying-mesh.ts";

let database: TestDatabase;
let nats: TestNats;
let db: pg.Client;
let carrier: TestCarrier;
let shipping: MeshProcess | undefined;

beforeAll(async () => {
  [database, nats, carrier] = await Promise.all([createTestDatabase(), testNats(), startCarrier({ tokens: ["token-of-demo"] })]);
  db = new pg.Client({ connectionString: database.url });
  await db.connect();
});

afterAll(async () => {
  await shipping?.end("SIGKILL");
  await db.end();
  await carrier.close();
  await nats.stop();
  await database.drop();
});

/** By itself: nobody else takes part in it. */
const start = (crashAt: string): Promise<MeshProcess> => {
  const env = {
    ORDERMESH_CARRIERS: "STANDARD=parcelpost",
    ORDERMESH_CARRIER_URLS: `parcelpost=${carrier.url}`,
    ORDERMESH_CARRIER_TOKENS: "parcelpost:demo=token-of-demo",
    ORDERMESH_IDENTITY_URL: "http://127.0.0.1:1",
  };
  const servers = { databaseUrl: database.url, natsUrl: nats.url };
  return startDyingMesh(servers, { crashAt, env, only: "shipping" });
};

async function deathOf({ child }: MeshProcess): Promise<NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.signalCode;
}

/** A parcel as OrderReady leaves it behind. */
async function askForParcel(): Promise<void> {
  await db.query("begin");
  await db.query(
    `insert into shipping.shipment (tenant_id, order_id, shipment_id, state, method, carrier, tracking_number, booking_version,
       ready_event_id, stop_reason, create_time, event_count)
     values ('demo', 'ord_1', 'shp_1', 'CREATED', 'STANDARD', 'parcelpost', '', 1, 'evt_1', '', now(), 1)`,
  );
  await db.query(
    `insert into shipping.booking (tenant_id, order_id, parcel, version, carrier, state, create_time)
     values ('demo', 'ord_1', 1, 1, 'parcelpost', 'REQUESTED', now())`,
  );
  await db.query(
    `insert into shipping.due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
     values ('due_1', 'shipping.book', 'demo', 'shp_1.1', now(), 'evt_1', '')`,
  );
  await db.query("commit");
}

test("a parcel has the number of the one booking that its carrier has, and is told with it once", async () => {
  shipping = await start("shipping.book:after_provider");
  await askForParcel();
  expect([await deathOf(shipping), carrier.parcels.size]).toEqual(["SIGKILL", 1]);
  // Maybe before it has said that it is ready.
  shipping = await start("shipping.book:after_commit").catch(() => undefined);
  if (shipping) await deathOf(shipping);
  const [parcel, ...others] = carrier.parcels.values();
  expect(others).toEqual([]);
  expect(carrier.requests).toEqual(["POST /parcels", "GET /parcels/shp_1.1"]);
  const { rows } = await db.query("select tracking_number from shipping.shipment");
  expect(rows).toEqual([{ tracking_number: parcel?.trackingNumber }]);
  const told = await db.query("select type_name from shipping.outbox");
  expect(told.rows).toEqual([{ type_name: "ordermesh.shipping.events.v1.ShipmentNumberChanged" }]);
}, 60_000);
