// What node:tls is told, for both ends of a connection between services.
import type { SecureContext, TlsOptions } from "node:tls";
import type { TlsFiles } from "./tls-files.ts";

/** A server that shows our certificate and, where clients are required to have one, ends the handshake with all others. */
export function serverTlsOptions({ settings, current }: TlsFiles): TlsOptions {
  const isRequired = settings.clients === "required";
  return { ...current().files, requestCert: isRequired, rejectUnauthorized: isRequired };
}

export interface ClientTlsOptions {
  readonly secureContext: SecureContext;
  readonly servername?: string;
}

/**
 * A client that shows our certificate, where we have one, to whoever answers for a service. With a CA of our own the server's
 * certificate must name the service; under the authorities of the system, which issue no such names, it must name the host.
 */
export function clientTlsOptions({ settings, current }: TlsFiles, serviceName: string): ClientTlsOptions {
  return {
    // Asked for at each connection, so that the next one uses what has replaced the files.
    get secureContext() {
      return current().context;
    },
    ...(settings.caFile === undefined ? {} : { servername: certificateName(serviceName) }),
  };
}

/**
 * The name that a service has in its certificate, a DNS name of the subject's alternative names. It says who, not where:
 * addresses change with the deployment, and may be those of a balancer. A process of several services has several.
 */
export function certificateName(serviceName: string): string {
  return `${serviceName}.${certificateDomain}`;
}

export const certificateDomain = "ordermesh";
