// The token endpoint (RFC 6749, section 3.2).
import type { Transaction } from "kysely";
import { IssueTokenRequestSchema, type IssueTokenRequest } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { revokeSessions } from "../events/revoked.ts";
import { tenantFor, type Client } from "../domain/client.ts";
import { grantScopes } from "../domain/scopes.ts";
import { judgeRefresh } from "../domain/session.ts";
import { hashSecret } from "../store/secret-hash.ts";
import { lockToken } from "../store/sessions.ts";
import type { IdentityTables } from "../store/tables.ts";
import { readNow } from "../store/time.ts";
import type { IdentityDeps } from "./deps.ts";
import { grantAgain, grantToClient, type Grant } from "./grant.ts";
import { invalidGrant, invalidRequest, invalidScope, unauthorizedClient, unsupportedGrantType } from "./refusals.ts";
import { changerOf, recordEnd, sessionResource } from "./session-entry.ts";

type Asking = Pick<IdentityDeps, "tokens"> & { tx: Transaction<IdentityTables>; now: Date; client: Client };
/** A refusal that leaves something behind is an answer of its transaction, which would take it back if it were thrown there. */
type Outcome = Grant | "reused";

export function tokenIssuer({ transaction, clients, tokens }: IdentityDeps): (request: IssueTokenRequest) => Promise<Grant> {
  return async (request) => {
    if (request.grantType === "") throw invalidRequest("grant_type is missing");
    const outcome = await transaction(async (tx): Promise<Outcome> => {
      const now = await readNow(tx);
      const asking = { tokens, tx, now, client: await clients.authenticate(tx, request, now) };
      if (request.grantType === "client_credentials") return clientCredentials(asking, request);
      if (request.grantType === "refresh_token") return refresh(asking, request);
      throw unsupportedGrantType();
    });
    if (outcome === "reused") throw invalidGrant("the refresh token was used before: its session has ended, sign in again");
    return outcome;
  };
}

/** RFC 6749, section 4.4. Nothing is stored, so there is nothing for the audit log: what is done with the token is in it. */
function clientCredentials(asking: Asking, request: IssueTokenRequest): Promise<Grant> {
  const { client } = asking;
  if (client.isPublic) throw unauthorizedClient("a public client cannot act for itself");
  const tenant = tenantFor(client, request.tenant);
  if (tenant === undefined) throw unauthorizedClient("only a service may act for another tenant");
  const scopes = grantScopes(request.scope, client.scopes);
  if (!scopes) throw invalidScope();
  return grantToClient(asking, { tenant, scopes });
}

/** RFC 6749, section 6; RFC 9700, section 4.14.2. */
async function refresh(asking: Asking, request: IssueTokenRequest): Promise<Outcome> {
  const { tx, now, client } = asking;
  if (request.refreshToken === "") throw invalidRequest("refresh_token is missing");
  const tokenHash = hashSecret(request.refreshToken);
  const held = await lockToken(tx, tokenHash);
  const clientId = client.clientId;
  const verdict = held ? judgeRefresh(held.session, { usedTime: held.usedTime, clientId, now }) : "refused";
  if (!held || verdict === "refused") throw invalidGrant("the refresh token is unknown, has ended, or is another client's");
  const { session } = held;
  if (verdict === "reused") {
    await revokeSessions(tx, { sessionId: session.sessionId }, { now });
    await recordEnd(tx, session);
    return "reused";
  }
  const scopes = grantScopes(request.scope, session.scopes);
  if (!scopes) throw invalidScope();
  const after = shown(IssueTokenRequestSchema, request);
  await recordChange(tx, { resource: sessionResource(session), after, by: changerOf(session) });
  return grantAgain(asking, { session, tokenHash, scopes });
}
