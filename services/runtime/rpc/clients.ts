// Typed clients of other services: in process where they are co-located, over HTTP/2 elsewhere. The caller sees no difference.
import type { DescService } from "@bufbuild/protobuf";
import { Code, createClient, createRouterTransport, type Client, type ConnectRouter, type Transport } from "@connectrpc/connect";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { createOwnTokens } from "#runtime/access/own-tokens.ts";
import { refuse } from "#runtime/errors.ts";
import type { Vouching } from "#runtime/limits/vouching.ts";
import type { Logger } from "#runtime/log.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { addressSetting, serviceNameOf } from "./addresses.ts";
import { balancedTransport } from "./balanced-transport.ts";
import { callTimeoutMs, insideProcess, showingToken, withCallerContext } from "./caller-context.ts";
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
  /** Whom work is for that no caller and no event has begun. */
  tenant: string;
  /** By which a service shows other processes who it is. */
  secretOf: (serviceName: string) => string;
  /** Says to other processes whom a call is for. */
  vouching?: Vouching;
  log: Logger;
  /** What we show and trust where an address is https. */
  tls?: TlsFiles | undefined;
}

/** Of one service, which calls for its caller where the caller may call itself, and else for itself. */
export interface ServiceClients {
  /** Refusals of the service reach the caller as ConnectError with their reason. A service that is nowhere answers UNAVAILABLE. */
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  /** The same, for a contract that every service offers for itself. */
  clientOf<Desc extends DescService>(contract: Desc, serviceName: string): Client<Desc>;
}

export interface Clients {
  of(serviceName: string): ServiceClients;
  /** The way to a service for somebody from outside, whose token must be among the headers. */
  transportFor(service: DescService): Transport;
  /** Closes the connections; calls under way fail. */
  close(): void;
}

export function createClients({ local, addresses, tenant, secretOf, vouching, log, tls }: ClientsOptions): Clients {
  const localNames = new Set(local.services.map((service) => service.typeName));
  const localTransport = lazyTransport(() => createRouterTransport(local.routes, { router: local.options }));
  const remoteTransports = new Map<string, Transport>();
  const replicas: Replica[] = [];

  const connect = (serviceName: string): Transport => {
    const own = addresses(serviceName).map((address) => connectReplica({ serviceName, address, log, tls }));
    replicas.push(...own);
    if (own.length === 0) return nowhere(serviceName);
    const balanced = balancedTransport({ serviceName, replicas: own });
    return vouching ? vouching.vouchOn(balanced) : balanced;
  };
  const remoteTransportTo = (serviceName: string): Transport => {
    const transport = remoteTransports.get(serviceName) ?? connect(serviceName);
    remoteTransports.set(serviceName, transport);
    return transport;
  };
  const isLocal = (service: DescService): boolean => localNames.has(service.typeName);
  const outsideTransportTo = (service: DescService): Transport =>
    isLocal(service) ? localTransport : remoteTransportTo(serviceNameOf(service));

  return {
    of: (ownName) => {
      const inside = withCallerContext(insideProcess(localTransport, { tenant }));
      const identity = withTimeout(outsideTransportTo(IdentityService));
      const ownTokens = createOwnTokens({ transport: identity, clientId: ownName, clientSecret: () => secretOf(ownName) });
      const remote = (serviceName: string): Transport =>
        withCallerContext(showingToken(remoteTransportTo(serviceName), { tenant, ownTokens }));
      return {
        client: (service) => createClient(service, isLocal(service) ? inside : remote(serviceNameOf(service))),
        clientOf: (contract, serviceName) =>
          createClient(contract, local.names.includes(serviceName) ? inside : remote(serviceName)),
      };
    },
    transportFor: (service) => withCallerContext(outsideTransportTo(service)),
    close: () => {
      for (const replica of replicas) replica.close();
    },
  };
}

/** Whom it serves is not waited for longer than that, whatever its caller's deadline: the answer is for others as well. */
function withTimeout(inner: Transport): Transport {
  return {
    unary: (method, signal, timeoutMs, ...rest) => inner.unary(method, signal, timeoutMs ?? callTimeoutMs, ...rest),
    stream: (...call) => inner.stream(...call),
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
