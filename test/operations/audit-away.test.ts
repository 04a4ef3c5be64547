// A service that cannot be asked: the auditor says so, goes on with the others, and takes nothing for mended.
import { createClient, type Client } from "@connectrpc/connect";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { AuditState, type AuditReport } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { createLogger } from "#runtime/log.ts";
import { startMesh, type Mesh } from "../../services/mesh.ts";
import { operatorTransport, throwAwayIdentity } from "../../tools/operator.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { freePorts } from "../support/ports.ts";
import { eventually, until } from "../support/until.ts";

const others = ["catalog", "orders", "payments", "fraud", "shipping", "identity", "customers", "notifications", "media"];

let database: TestDatabase;
let nats: TestNats;
let sql: pg.Client;
let inventory: Mesh | undefined;
let inventoryPort: number;
let restPort: number;
let rest: Mesh;
let operations: Client<typeof OperationsService>;

function start(only: string[], rpcPort: number, env: Record<string, string>): Promise<Mesh> {
  return startMesh({
    env: {
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      ORDERMESH_RPC_PORT: String(rpcPort),
      ORDERMESH_SEED: "none",
      ORDERMESH_DATABASE_CONNECTIONS: "4",
      ORDERMESH_AUDIT_EVERY_MS: "100",
      ORDERMESH_AUDIT_GRACE_MS: "500",
      ...throwAwayIdentity,
      ...env,
    },
    only,
    log: createLogger({ level: "silent" }),
    onProgress: () => {},
  });
}

const startInventory = (): Promise<Mesh> =>
  start(["inventory"], inventoryPort, { ORDERMESH_IDENTITY_URL: `http://127.0.0.1:${restPort}` });

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  [inventoryPort = 0, restPort = 0] = await freePorts(2);
  inventory = await startInventory();
  rest = await start([...others, "operations"], restPort, { ORDERMESH_INVENTORY_URL: `http://127.0.0.1:${inventoryPort}` });
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  const rpcUrl = `http://127.0.0.1:${restPort}`;
  const transport = operatorTransport(rpcUrl);
  operations = createClient(OperationsService, transport);
  const variants = [{ variant: { sku: "MUG", prices: [{ currencyCode: "EUR", minorUnits: 1_000n }] }, initialStock: 10n }];
  await createClient(CatalogService, transport).createProduct({ title: "Mug", variants });
  const stock = createClient(InventoryService, operatorTransport(`http://127.0.0.1:${inventoryPort}`, rpcUrl));
  await until(() => stock.getStock({ sku: "MUG" }).then(() => true));
}, 60_000);

afterAll(async () => {
  await sql?.end();
  await rest?.close();
  await inventory?.close();
  await nats?.stop();
  await database?.drop();
});

const runAudit = async (): Promise<AuditReport> => {
  const { report } = await operations.runAudit({});
  if (!report) throw new Error("no report");
  return report;
};

const problemsOf = ({ checks }: AuditReport): string[] => checks.flatMap(({ check, problem }) => (problem === "" ? [] : [check]));

test("what was found stays found while its service is away, the others go on, and it is cleared once the service says so", async () => {
  await sql.query("update inventory.stock set on_hand = on_hand + 1 where sku = 'MUG'");
  await eventually(async () => expect((await runAudit()).violations).toMatchObject([{ check: "stock.on_hand", key: "MUG" }]));

  await inventory?.close();
  inventory = undefined;
  await sql.query("update inventory.stock set on_hand = on_hand - 1 where sku = 'MUG'");
  await eventually(async () => {
    const report = await runAudit();
    expect(problemsOf(report)).toEqual([
      "stock.on_hand",
      "stock.reserved",
      "stock.oversold",
      "stock.shipped",
      "stock.stranded",
      "events.unpublished",
      "work.overdue",
    ]);
    expect(report.state).toBe(AuditState.VIOLATED);
    expect(report.violations).toMatchObject([{ check: "stock.on_hand", key: "MUG" }]);
  });
  const during = await runAudit();
  const again = await runAudit();
  const complete = (report: AuditReport, name: string) =>
    report.checks.find(({ check }) => check === name)?.lastCompleteTime?.seconds ?? 0n;
  expect(complete(again, "stock.on_hand")).toBe(complete(during, "stock.on_hand"));
  expect(complete(again, "orders.total")).toBeGreaterThanOrEqual(complete(during, "orders.total"));

  inventory = await startInventory();
  await eventually(async () => {
    const report = await runAudit();
    expect(report.violations).toEqual([]);
    expect(problemsOf(report)).toEqual([]);
    expect(report.state).toBe(AuditState.CLEAN);
  });
}, 60_000);
