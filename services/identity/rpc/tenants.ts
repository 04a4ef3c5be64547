// What operators of the installation's own tenant do with tenants.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { OAuthClientSchema } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { TenantSchema, type CreateTenantRequest, type TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { accessTokenMs } from "../domain/keys.ts";
import { operatorOf } from "../domain/client.ts";
import { knownScopes } from "../domain/scopes.ts";
import { isReservedTenant, isSameTenant, type Tenant } from "../domain/tenant.ts";
import { revokeTokensOf } from "../events/revoked.ts";
import { announceTenants } from "../events/tenants.ts";
import { insertClient, replaceSecret } from "../store/clients.ts";
import { hashSecret, newClientSecret } from "../store/secret-hash.ts";
import type { IdentityTables } from "../store/tables.ts";
import { findTenant, findTenantOfRequest, insertTenant, lockTenant, readTenants, saveDisabled } from "../store/tenants.ts";
import { readNow } from "../store/time.ts";
import { clientMessage, clientResource } from "./client-message.ts";
import type { IdentityDeps } from "./deps.ts";

interface NewOperator {
  clientId: string;
  clientSecret: string;
}

export function tenantMethods({ db, transaction, home }: IdentityDeps): ServiceImpl<typeof TenantService> {
  return {
    createTenant: (request) =>
      transaction(async (tx) => {
        const now = await readNow(tx);
        const { tenantId, title } = request;
        const tenant: Tenant = { tenantId, title, createTime: now, isDisabled: false, revokeTime: null };
        const clientId = newId("cli");
        const requestId = request.requestId === "" ? null : request.requestId;
        const isMade = !isReservedTenant(tenantId) && (await insertTenant(tx, { ...tenant, requestId, operatorId: clientId }));
        if (!isMade) return { ...(await answerAgain(tx, request)), clientSecret: "" };
        const { clientSecret } = await makeOperator(tx, { tenantId, clientId, now });
        await announceTenants(tx, now);
        const after = { ...shown(TenantSchema, tenantMessage(tenant)), operatorClientId: clientId };
        await recordChange(tx, { resource: { kind: "tenant", id: tenantId }, after });
        return { tenant: tenantMessage(tenant), clientId, clientSecret };
      }),

    createTenantOperator: ({ tenantId }) =>
      transaction(async (tx) => {
        const now = await readNow(tx);
        if (!(await findTenant(tx, tenantId))) throw tenantNotFound(tenantId);
        const { client, clientSecret } = await makeOperator(tx, { tenantId, clientId: newId("cli"), now });
        const { clientId } = client;
        const after = { ...shown(OAuthClientSchema, clientMessage(client)), tenantId };
        await recordChange(tx, { resource: clientResource(clientId), after });
        return { clientId, clientSecret } satisfies NewOperator;
      }),

    disableTenant: async ({ tenantId }) => {
      if (tenantId === home) throw tenantIsInstallation(tenantId);
      const tenant = await setDisabled({ transaction }, { tenantId, isDisabled: true });
      // In a transaction of its own, when no token is issued any more by whoever has not seen the first one.
      await transaction((tx) => takeTokensBack(tx, tenantId));
      return { tenant };
    },

    enableTenant: async ({ tenantId }) => ({ tenant: await setDisabled({ transaction }, { tenantId, isDisabled: false }) }),

    getTenant: async ({ tenantId }) => {
      const tenant = await findTenant(db, tenantId);
      if (!tenant) throw tenantNotFound(tenantId);
      return { tenant: tenantMessage(tenant) };
    },

    listTenants: async ({ pageSize, pageToken }) => {
      const rowsWanted = pageSizeOf(pageSize);
      const rows = await readTenants(db, { after: readPageToken(pageToken), rowsMax: rowsWanted + 1 });
      const page = cutPage(rows, rowsWanted, ({ tenantId }) => tenantId);
      return { tenants: page.rows.map(tenantMessage), nextPageToken: page.nextPageToken };
    },
  };
}

/** What the same request was answered, without the secret; refuses where the id, or the request id, is another's. */
async function answerAgain(tx: Transaction<IdentityTables>, { tenantId, title, requestId }: CreateTenantRequest) {
  const made = requestId === "" ? undefined : await findTenantOfRequest(tx, requestId);
  if (!made) throw refuse(Code.AlreadyExists, "TENANT_ID_TAKEN", `there is a tenant ${tenantId}`, { tenantId });
  if (!isSameTenant(made, { tenantId, title })) {
    throw refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "request_id was used for another tenant", { requestId });
  }
  return { tenant: tenantMessage(made), clientId: made.operatorId ?? "" };
}

/** A client with all scopes, and its secret, of which only a hash stays. */
async function makeOperator(
  tx: Transaction<IdentityTables>,
  { tenantId, clientId, now }: { tenantId: string; clientId: string; now: Date },
) {
  const client = operatorOf(tenantId, { clientId, scopes: knownScopes, createTime: now });
  if (!(await insertClient(tx, client))) throw new Error("an id that was made a moment ago is taken");
  const clientSecret = newClientSecret();
  await replaceSecret(tx, { clientId, secretHash: hashSecret(clientSecret), now, previousExpireTime: now });
  return { client, clientSecret };
}

/** Says that it is shut, or open; a repeat changes nothing. A tenant that is shut again has its tokens taken back again. */
function setDisabled(
  { transaction }: Pick<IdentityDeps, "transaction">,
  { tenantId, isDisabled }: { tenantId: string; isDisabled: boolean },
) {
  return transaction(async (tx) => {
    const tenant = await lockTenant(tx, tenantId);
    if (!tenant) throw tenantNotFound(tenantId);
    const before = shown(TenantSchema, tenantMessage(tenant));
    const message = tenantMessage({ ...tenant, isDisabled });
    if (tenant.isDisabled === isDisabled) return message;
    await saveDisabled(tx, { ...tenant, isDisabled });
    await recordChange(tx, { resource: { kind: "tenant", id: tenantId }, before, after: shown(TenantSchema, message) });
    return message;
  });
}

/** Also where that was done before: whoever repeats the call may not know whether it was. */
async function takeTokensBack(tx: Transaction<IdentityTables>, tenantId: string): Promise<void> {
  const now = await readNow(tx);
  const tenant = await lockTenant(tx, tenantId);
  // Somebody has opened it again.
  if (!tenant?.isDisabled) return;
  await saveDisabled(tx, { tenantId, isDisabled: true, revokeTime: now });
  await revokeTokensOf(tx, { tenantId, now, expireTime: new Date(now.getTime() + accessTokenMs) });
}

const tenantIsInstallation = (tenantId: string) =>
  refuse(Code.FailedPrecondition, "TENANT_IS_INSTALLATION", "the installation's own shop cannot be shut", { tenantId });

const tenantMessage = ({ tenantId, title, isDisabled, createTime }: Tenant) => ({
  tenantId,
  title,
  disabled: isDisabled,
  createTime: timestampFromDate(createTime),
});

const tenantNotFound = (tenantId: string) =>
  refuse(Code.NotFound, "TENANT_NOT_FOUND", `there is no tenant ${tenantId}`, { tenantId });
