// Walks through what the stream holds of each key, and through what the services say of their deliveries.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { eventStream } from "#runtime/events/streams.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { checksOf, type Finding } from "../domain/audit.ts";
import { deliveryFindings } from "../domain/audit-deliveries.ts";
import { readGaps, readReader, type Gap } from "../store/audit/stream-keys.ts";
import { readUnregistered, type UnregisteredTenant } from "../store/audit/tenants.ts";
import type { OperationsTables } from "../store/tables.ts";
import { asking, auditPageSize, type AuditPage, type AuditPlace } from "./audit-page.ts";
import type { AuditSettings } from "./audit-settings.ts";

/** Every service that has deliveries. */
export const deliveringServices = [
  "catalog",
  "inventory",
  "orders",
  "payments",
  "fraud",
  "shipping",
  "operations",
  "identity",
  "customers",
] as const;

type Runtime = Pick<ServiceRuntime<OperationsTables>, "db" | "clientOf" | "clock">;

export function eventWalks({ db, clientOf, clock }: Runtime, { graceMs, home }: AuditSettings) {
  const deliveries = deliveringServices.map((service) => ({ service, client: clientOf(DeliveryService, service) }));
  return {
    sequences: async ({ tenant, pageToken }: AuditPlace): Promise<AuditPage> => {
      const reader = await readReader(db, eventStream);
      if (!reader?.caughtUpTime || clock.now().getTime() - reader.caughtUpTime.getTime() > readerSilentMsMax) {
        return failed(checksOf("sequences"), "the stream is not read to its end");
      }
      // Up to the moment when all was read, and a little before: what fills a gap may be the next event.
      const since = new Date(reader.caughtUpTime.getTime() - graceMs);
      const [service = "", key = ""] = pageToken.split("/");
      const gaps = await readGaps(db, { tenant, since, after: [service, key], rowsMax: auditPageSize });
      const last = gaps.length === auditPageSize ? gaps.at(-1) : undefined;
      return {
        rowsChecked: gaps.length,
        findings: gaps.map(gapFinding),
        problems: new Map(),
        nextPageToken: last ? `${last.service}/${last.key}` : "",
      };
    },
    deliveries: async (): Promise<AuditPage> => {
      const asked = await Promise.all(
        deliveries.map(async ({ service, client }) => ({
          service,
          status: await asking(client.getDeliveryStatus({ service })),
        })),
      );
      const page: AuditPage = { rowsChecked: asked.length, findings: [], problems: new Map(), nextPageToken: "" };
      for (const { service, status } of asked) {
        if ("problem" in status) {
          for (const check of checksOf("deliveries")) page.problems.set(check, `${service}: ${status.problem}`);
          continue;
        }
        const { unpublished, oldestUnpublishedTime, overdueWork } = status.answer;
        const seen = {
          service,
          unpublished: Number(unpublished),
          oldestUnpublishedTime: oldestUnpublishedTime && timestampDate(oldestUnpublishedTime),
          overdueWork: Number(overdueWork),
        };
        page.findings.push(...deliveryFindings(seen, { now: clock.now(), graceMs }));
      }
      return page;
    },
    /** Whose orders or stock are there, and whom identity never told of. */
    tenants: async ({ pageToken }: AuditPlace): Promise<AuditPage> => {
      const unregistered = await readUnregistered(db, { home, after: pageToken, rowsMax: auditPageSize });
      return {
        rowsChecked: unregistered.length,
        findings: unregistered.map(unregisteredFinding),
        problems: new Map(),
        nextPageToken: unregistered.length === auditPageSize ? (unregistered.at(-1)?.tenant ?? "") : "",
      };
    },
  };
}

/** A reader that has not come to the end of the stream for so long says nothing of what is missing. */
const readerSilentMsMax = 60_000;

const failed = (checks: readonly string[], problem: string): AuditPage => ({
  rowsChecked: 0,
  findings: [],
  problems: new Map(checks.map((check) => [check, problem])),
  nextPageToken: "",
});

const unregisteredFinding = ({ tenant, rowsChecked }: UnregisteredTenant): Finding => ({
  check: "tenants.registered",
  key: tenant,
  message: "there are books of a tenant that was never made: make it, or find out whose they are",
  figures: { tenant, rows_checked: String(rowsChecked) },
});

const gapFinding = ({ service, key, missing, highest }: Gap): Finding => ({
  check: "events.sequence",
  key: `${service}/${key}`,
  message: "events of the key are missing in the stream",
  figures: { service, key, missing, highest: String(highest) },
});
