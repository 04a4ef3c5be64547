// OAuth clients: who may ask for tokens, and for which.

export interface Client {
  clientId: string;
  title: string;
  /** Empty for services, which act for any tenant or for none. */
  tenant: string;
  /** Without a secret: an app, or a page in a browser (RFC 6749, section 2.1). */
  isPublic: boolean;
  roles: ("customer" | "operator" | "service")[];
  scopes: string[];
  /** Requests a second; null where the plan's default holds. */
  rateLimit: number | null;
  createTime: Date;
}

/** A client that acts for the tenant, by a secret. */
export function operatorOf(tenant: string, about: { clientId: string; scopes: readonly string[]; createTime: Date }): Client {
  const { clientId, scopes, createTime } = about;
  return { clientId, title: "", tenant, isPublic: false, roles: ["operator"], scopes: [...scopes], rateLimit: null, createTime };
}

/** Whatever runs in a mesh may get tokens for itself, under its own name. */
export const serviceClientIds = [
  "catalog",
  "inventory",
  "orders",
  "payments",
  "fraud",
  "shipping",
  "operations",
  "identity",
  "customers",
  "notifications",
  "media",
  "edge",
] as const;

export const operatorClientId = "operator";

/** As the audit log names what a process does by itself: nobody is to be taken for it. */
const processName = "mesh";

/** Ids that no client in the table may have. */
export const isReservedClientId = (clientId: string): boolean =>
  [...serviceClientIds, operatorClientId, processName].includes(clientId);

const isService = ({ roles }: Client): boolean => roles.includes("service");

/** The tenant of a token that the client asks for; undefined where it may not have that. */
export function tenantFor(client: Client, asked: string): string | undefined {
  if (isService(client)) return asked;
  return asked === "" || asked === client.tenant ? client.tenant : undefined;
}

/** Whether tokens of a tenant concern the client. */
export const maySee = (client: Client, tenant: string): boolean => isService(client) || client.tenant === tenant;
