// Tables without any tenant's data, and why that is so. Every other table has to have a policy (catalogue.test.ts).
export const untenanted: Readonly<Record<string, string>> = {
  "*.migration": "which migrations have run",
  "*.migration_lock": "that one migrates at a time",
  "*.lease": "which instance works on what",
  "*.relay_cursor": "how far the outbox is published, of all tenants in one sequence",
  "*.relay_checkpoint": "earlier places of that cursor",
  "operations.reconcile_cursor": "how far each consumer is compared, of all tenants in one stream",
  "operations.audit_request": "when somebody asked for a pass",
  "operations.stream_reader": "how far the stream is read",
  "operations.alert_mark": "when the last mail went out",
};
