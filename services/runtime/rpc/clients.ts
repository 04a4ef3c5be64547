// Typed clients of other services: in process where they are co-located, over HTTP/2 elsewhere. The caller sees no difference.
import type { DescService } from "@bufbuild/protobuf";
import { Code, createClient, createRouterTransport, type Client, type ConnectRouter, type Transport } from "@connectrpc/connect";
import { refuse } from "#runtime/errors.ts";
import type { Logger } from "#runtime/log.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { addressSetting, serviceNameOf } from "./addresses.ts";
import { balancedTransport } from "./balanced-transport.ts";
import { withCallerContext } from "./caller-context.ts";
import type { RouterOptions } from "./interceptors.ts";
import { connectReplica, type Replica } from "./replica.ts";

export interface ClientsOptions {
  /** The services of this process. Their routes are asked for at the first call, so that they may need clients themselves. */
  local: {
    services: readonly DescService[];
    names: readonly string[];
    routes: (router: ConnectRouter) => void;
    options: RouterOptions;
  };
  /** Origins of the replicas of a service elsewhere, by its name such as "catalog"; empty where there is none. */
  addresses: (serviceName: string) => readonly string[];
  log: Logger;
  /** What we show and trust where an address is https. */
  tls?: TlsFiles | undefined;
}

export interface Clients {
  /** Refusals of the service reach the caller as ConnectError with their reason. A service that is nowhere answers UNAVAILABLE. */
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  /** The same, for a contract that every service offers for itself. */
  clientOf<Desc extends DescService>(contract: Desc, serviceName: string): Client<Desc>;
  /** The way to a service, for callers that know its methods by descriptor only. */
  transportFor(service: DescService): Transport;
  /** Closes the connections; calls under way fail. */
  close(): void;
}

export function createClients({ local, addresses, log, tls }: ClientsOptions): Clients {
  const localNames = new Set(local.services.map((service) => service.typeName));
  const localTransport = lazyTransport(() => createRouterTransport(local.routes, { router: local.options }));
  const remoteTransports = new Map<string, Transport>();
  const replicas: Replica[] = [];

  const connect = (serviceName: string): Transport => {
    const own = addresses(serviceName).map((address) => connectReplica({ serviceName, address, log, tls }));
    replicas.push(...own);
    return own.length === 0 ? nowhere(serviceName) : balancedTransport({ serviceName, replicas: own });
  };
  const transportTo = (service: DescService): Transport => {
    if (localNames.has(service.typeName)) return localTransport;
    return remoteTransportTo(serviceNameOf(service));
  };
  const remoteTransportTo = (serviceName: string): Transport => {
    const transport = remoteTransports.get(serviceName) ?? connect(serviceName);
    remoteTransports.set(serviceName, transport);
    return transport;
  };

  return {
    client: (service) => createClient(service, withCallerContext(transportTo(service))),
    clientOf: (contract, serviceName) =>
      createClient(
        contract,
        withCallerContext(local.names.includes(serviceName) ? localTransport : remoteTransportTo(serviceName)),
      ),
    transportFor: (service) => withCallerContext(transportTo(service)),
    close: () => {
      for (const replica of replicas) replica.close();
    },
  };
}

function lazyTransport(create: () => Transport): Transport {
  let created: Transport | undefined;
  const transport = (): Transport => (created ??= create());
  return {
    unary: (...call) => transport().unary(...call),
    stream: (...call) => transport().stream(...call),
  };
}

function nowhere(serviceName: string): Transport {
  const setting = addressSetting(serviceName);
  const refusal = async (): Promise<never> => {
    const message = `${serviceName} does not run in this process and ${setting} does not say where it does`;
    throw refuse(Code.Unavailable, "SERVICE_NOT_CONFIGURED", message, { setting });
  };
  return { unary: refusal, stream: refusal };
}
