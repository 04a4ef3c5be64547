// What operators do, each in its own tenant.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  OAuthClientSchema,
  RevokeSessionsResponseSchema,
  RotateClientSecretRequestSchema,
  RotateKeysResponseSchema,
  type AdminService,
  type CreateClientRequest,
} from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { isReservedClientId, type Client } from "../domain/client.ts";
import { planNextKey } from "../domain/keys.ts";
import { revokeSessions } from "../events/revoked.ts";
import { deleteClient, insertClient, lockClient, readClients, replaceSecret } from "../store/clients.ts";
import { lockKeys, makeKey } from "../store/keys.ts";
import { hashSecret, newClientSecret } from "../store/secret-hash.ts";
import { readNow } from "../store/time.ts";
import { findTenant } from "../store/tenants.ts";
import { clientMessage, clientResource } from "./client-message.ts";
import type { IdentityDeps } from "./deps.ts";

const overlapSecondsDefault = 86_400;

export function adminMethods(
  { db, transaction }: IdentityDeps,
  /** Registers the installation's own tenant, in which most clients are. */
  prepared: () => Promise<void>,
): Omit<ServiceImpl<typeof AdminService>, "rotateKeys"> {
  return {
    createClient: async (request) => {
      await prepared();
      return transaction(async (tx) => {
        const now = await readNow(tx);
        const client = newClient(request, now);
        const { clientId, isPublic, tenant } = client;
        if (!(await findTenant(tx, tenant))) throw tenantUnknown(tenant);
        const isMade = !isReservedClientId(clientId) && (await insertClient(tx, client));
        if (!isMade) throw refuse(Code.AlreadyExists, "CLIENT_ID_TAKEN", `there is a client ${clientId}`, { clientId });
        const clientSecret = isPublic ? "" : newClientSecret();
        if (!isPublic) await replaceSecret(tx, { clientId, secretHash: hashSecret(clientSecret), now, previousExpireTime: now });
        await recordChange(tx, { resource: clientResource(clientId), after: shownClient(client) });
        return { client: clientMessage(client), clientSecret };
      });
    },

    listClients: async ({ pageSize, pageToken }) => {
      const rowsWanted = pageSizeOf(pageSize);
      const { tenant } = currentRequest();
      const rows = await readClients(db, { tenant, after: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
      const page = cutPage(rows, rowsWanted, ({ clientId }) => clientId);
      return { clients: page.rows.map(clientMessage), nextPageToken: page.nextPageToken };
    },

    rotateClientSecret: (request) =>
      transaction(async (tx) => {
        const { clientId, overlapSeconds = overlapSecondsDefault } = request;
        const now = await readNow(tx);
        const client = await lockClient(tx, { tenant: currentRequest().tenant, clientId });
        if (!client) throw clientNotFound(clientId);
        if (client.isPublic) throw refuse(Code.FailedPrecondition, "CLIENT_IS_PUBLIC", "a public client has no secret");
        const clientSecret = newClientSecret();
        const previousExpireTime = new Date(now.getTime() + overlapSeconds * 1_000);
        await replaceSecret(tx, { clientId, secretHash: hashSecret(clientSecret), now, previousExpireTime });
        await recordChange(tx, { resource: clientResource(clientId), after: shown(RotateClientSecretRequestSchema, request) });
        return { clientSecret, previousExpireTime: timestampFromDate(previousExpireTime) };
      }),

    deleteClient: ({ clientId }) =>
      transaction(async (tx) => {
        const now = await readNow(tx);
        const client = await lockClient(tx, { tenant: currentRequest().tenant, clientId });
        if (!client) throw clientNotFound(clientId);
        await revokeSessions(tx, { clientId }, { now });
        await deleteClient(tx, clientId);
        await recordChange(tx, { resource: clientResource(clientId), before: shownClient(client) });
        return {};
      }),

    revokeSessions: ({ customerId }) =>
      transaction(async (tx) => {
        const { tenant } = currentRequest();
        const sessionsEnded = await revokeSessions(tx, { tenant, customerId }, { now: await readNow(tx) });
        const after = shown(RevokeSessionsResponseSchema, { sessionsEnded });
        if (sessionsEnded > 0) await recordChange(tx, { resource: { kind: "account", id: customerId }, after });
        return { sessionsEnded };
      }),
  };
}

/** Keys sign for all tenants. */
export function keyRotation({ transaction, sealingKey }: IdentityDeps): Pick<ServiceImpl<typeof AdminService>, "rotateKeys"> {
  return {
    rotateKeys: () =>
      transaction(async (tx) => {
        const now = await readNow(tx);
        const next = planNextKey(await lockKeys(tx), now);
        if (next.kind !== "make") return keyMessage(next.key);
        const key = keyMessage(await makeKey(tx, sealingKey(), { now, signTime: next.signTime }));
        await recordChange(tx, { resource: { kind: "signing_key", id: key.keyId }, after: shown(RotateKeysResponseSchema, key) });
        return key;
      }),
  };
}

const shownClient = (client: Client) => shown(OAuthClientSchema, clientMessage(client));

const keyMessage = ({ keyId, signTime }: { keyId: string; signTime: Date }) => ({ keyId, signTime: timestampFromDate(signTime) });

const clientNotFound = (clientId: string) =>
  refuse(Code.NotFound, "CLIENT_NOT_FOUND", `there is no client ${clientId}`, { clientId });

const tenantUnknown = (tenant: string) =>
  refuse(Code.FailedPrecondition, "TENANT_UNKNOWN", `there is no tenant ${tenant}: make it first`, { tenant });

function newClient(request: CreateClientRequest, now: Date): Client {
  return {
    clientId: request.clientId === "" ? newId("cli") : request.clientId,
    title: request.title,
    tenant: currentRequest().tenant,
    isPublic: request.public,
    roles: request.roles.map((role) => (role === "operator" ? "operator" : "customer")),
    scopes: request.scopes,
    rateLimit: request.rateLimit === 0 ? null : request.rateLimit,
    createTime: now,
  };
}
