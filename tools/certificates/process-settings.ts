// The settings with which a process uses its certificate everywhere.
import { inboxPrefixOf } from "./nats-config.ts";
import type { Party } from "./parties.ts";

/** Lines of an environment file. What differs from place to place is left out: URLs, and the names of users in them. */
export function processSettings({ name, runs }: Party, pathOf: (file: string) => string): string {
  const [certificate, key, ca] = [pathOf(`${name}.pem`), pathOf(`${name}.key`), pathOf("ca.pem")];
  const settings: Record<string, string> = {
    ORDERMESH_TLS_CERT_FILE: certificate,
    ORDERMESH_TLS_KEY_FILE: key,
    ORDERMESH_TLS_CA_FILE: ca,
    ORDERMESH_TLS_CLIENTS: "required",
  };
  if (runs.length > 0) {
    Object.assign(settings, {
      ORDERMESH_NATS_CERT_FILE: certificate,
      ORDERMESH_NATS_KEY_FILE: key,
      ORDERMESH_NATS_CA_FILE: ca,
      ORDERMESH_NATS_INBOX_PREFIX: inboxPrefixOf(name),
      ORDERMESH_DATABASE_CERT_FILE: certificate,
      ORDERMESH_DATABASE_KEY_FILE: key,
      ORDERMESH_DATABASE_CA_FILE: ca,
    });
  }
  if (name === "edge") {
    Object.assign(settings, {
      ORDERMESH_EDGE_TLS_CERT_FILE: pathOf("edge-public.pem"),
      ORDERMESH_EDGE_TLS_KEY_FILE: pathOf("edge-public.key"),
    });
  }
  return Object.entries(settings)
    .map(([setting, value]) => `${setting}=${value}\n`)
    .join("");
}
