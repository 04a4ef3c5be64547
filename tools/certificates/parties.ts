// Who gets a certificate, and what it says.
import type { ServiceDefinition } from "#runtime/service.ts";
import { certificateName } from "#runtime/tls/options.ts";
import type { Subject } from "./authority.ts";

export interface Party extends Omit<Subject, "notAfter"> {
  /** The services that run in the process; none where it is no process of ours. */
  runs: readonly ServiceDefinition[];
  /** Whether it is a process of ours, with settings. */
  isProcess: boolean;
}

export interface PartyOptions {
  services: readonly ServiceDefinition[];
  /** Names of services that run together, one list a process. */
  together: readonly (readonly string[])[];
  /** Under which the edge is known outside. */
  hosts: readonly string[];
}

/** The name by which a person is known to NATS who may do everything there. */
export const operatorName = "operator";
const loopback = { names: ["localhost"], addresses: ["127.0.0.1", "::1"] };

export function partiesOf({ services, together, hosts }: PartyOptions): Party[] {
  const find = (name: string): ServiceDefinition => {
    const found = services.find((service) => service.name === name);
    if (!found) throw new Error(`--together names ${name}; choose from ${services.map((service) => service.name).join(", ")}.`);
    return found;
  };
  const edge = process({ name: "edge", runs: [] });
  return [
    ...services.map((service) => process({ name: service.name, runs: [service] })),
    ...together.map((names) => process({ name: names.join("-"), runs: names.map(find) })),
    edge,
    server("edge-public", hosts),
    server("nats", []),
    server("postgres", []),
    { ...edge, name: operatorName, dnsNames: [certificateName(operatorName)], addresses: [], uses: ["client"], isProcess: false },
  ];
}

/**
 * The process's own name comes first: it is the NATS user. One that runs several services has their names too, because
 * callers ask for those. Where it is reached directly, by people, it has the names of this machine.
 */
function process({ name, runs }: { name: string; runs: readonly ServiceDefinition[] }): Party {
  const own = new Set([certificateName(name), ...runs.map((service) => certificateName(service.name))]);
  return {
    name,
    dnsNames: [...own, name, ...loopback.names],
    addresses: loopback.addresses,
    uses: ["server", "client"],
    runs,
    isProcess: true,
  };
}

function server(name: string, hosts: readonly string[]): Party {
  return {
    name,
    dnsNames: [name, ...loopback.names, ...hosts],
    addresses: loopback.addresses,
    uses: ["server"],
    runs: [],
    isProcess: false,
  };
}
