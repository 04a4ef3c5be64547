// What a service's own word about its deliveries means.
import type { Finding } from "./audit.ts";

export interface DeliveryStatus {
  service: string;
  unpublished: number;
  oldestUnpublishedTime: Date | undefined;
  overdueWork: number;
}

export function deliveryFindings(status: DeliveryStatus, { now, graceMs }: { now: Date; graceMs: number }): Finding[] {
  const { service, unpublished, oldestUnpublishedTime, overdueWork } = status;
  const findings: Finding[] = [];
  if (oldestUnpublishedTime && now.getTime() - oldestUnpublishedTime.getTime() > graceMs) {
    findings.push({
      check: "events.unpublished",
      key: service,
      message: "events wait to be published",
      figures: { unpublished: String(unpublished), oldest: oldestUnpublishedTime.toISOString() },
    });
  }
  if (overdueWork > 0) {
    findings.push({
      check: "work.overdue",
      key: service,
      message: "planned work was not done at its time",
      figures: { overdue: String(overdueWork) },
    });
  }
  return findings;
}
