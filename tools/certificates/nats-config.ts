// What nats-server includes to know each process by its certificate and let it do what its services need.
import { permissionsOf } from "#runtime/events/permissions.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { certificateName } from "#runtime/tls/options.ts";
import { operatorName, type Party } from "./parties.ts";

export const inboxPrefixOf = (name: string): string => `_INBOX.${name}`;

export interface NatsConfigOptions {
  parties: readonly Party[];
  services: readonly ServiceDefinition[];
  partitions: number;
  /** Path of a file, as the server will see it. */
  pathOf: (file: string) => string;
}

/** JSON, which is a subset of the server's own notation; to be included at the top level of its configuration. */
export function natsConfig({ parties, services, partitions, pathOf }: NatsConfigOptions): string {
  const processes = parties.filter(({ runs }) => runs.length > 0);
  const users = processes.map(({ name, runs }) => ({
    user: certificateName(name),
    permissions: permissionsOf({ runs, all: services, partitions, inboxPrefix: inboxPrefixOf(name) }),
  }));
  const everything = { publish: [">"], subscribe: [">"] };
  const config = {
    tls: {
      cert_file: pathOf("nats.pem"),
      key_file: pathOf("nats.key"),
      ca_file: pathOf("ca.pem"),
      // The first DNS name of a certificate that is a user's name is that user: nobody has a password.
      verify_and_map: true,
      // Nothing is said before the handshake, so nobody on the way can talk us out of it.
      handshake_first: true,
    },
    authorization: { users: [...users, { user: certificateName(operatorName), permissions: everything }] },
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
