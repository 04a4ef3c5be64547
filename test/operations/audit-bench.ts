// A mesh whose auditor hurries, and a way into the tables of its services, to plant errors.
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import pg from "pg";
import type { AuditReport, AuditViolation } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";

export interface AuditBench {
  mesh: TestMesh;
  /** Runs statements on the services' tables, with the checks of their triggers and foreign keys off. */
  sql(...statements: string[]): Promise<void>;
  query<Row>(statement: string): Promise<Row[]>;
  runAudit(): Promise<AuditReport>;
  /** The open violation of a check about a key. */
  violation(check: string, key: string): Promise<AuditViolation | undefined>;
  publish(subject: string, event: Record<string, string>): Promise<void>;
  connection: NatsConnection;
  close(): Promise<void>;
}

export const auditGraceMs = 800;

/** As long as a machine may need that has other work as well. */
export const patience = { timeoutMs: 45_000 };

export async function auditBench(env: Record<string, string> = {}): Promise<AuditBench> {
  const mesh = await testMesh({
    ORDERMESH_AUDIT_EVERY_MS: "100",
    ORDERMESH_AUDIT_GRACE_MS: String(auditGraceMs),
    ORDERMESH_SWEEP_GRACE_MS: "1000",
    ORDERMESH_CARRIER_DISPATCH_MS: "1500",
    ...env,
  });
  const database = new pg.Client({ connectionString: mesh.databaseUrl });
  await database.connect();
  const connection = await connect(natsConnectionOptions(mesh.natsUrl));
  const runAudit = async (): Promise<AuditReport> => {
    const { report } = await mesh.client(OperationsService).runAudit({});
    if (!report) throw new Error("no report");
    return report;
  };
  return {
    mesh,
    connection,
    sql: async (...statements) => {
      // Replicas apply what others have checked: no trigger and no foreign key is asked.
      try {
        await database.query("begin; set local session_replication_role = replica");
        for (const statement of statements) await database.query(statement);
        await database.query("commit");
      } catch (error) {
        await database.query("rollback");
        throw error;
      }
    },
    query: async <Row>(statement: string) => (await database.query(statement)).rows as Row[],
    runAudit,
    violation: async (check, key) => {
      const { violations } = await runAudit();
      return violations.find((violation) => violation.check === check && violation.key === key);
    },
    publish: async (subject, event) => {
      const written = headers();
      for (const [name, value] of Object.entries(event)) written.set(name, value);
      await jetstream(connection).publish(subject, new Uint8Array(), { headers: written });
    },
    close: async () => {
      await connection.close();
      await database.end();
      await mesh.close();
    },
  };
}
