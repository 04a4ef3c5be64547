// What becomes of tokens that are out: they are taken back (RFC 7009) or looked at (RFC 7662).
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import {
  RevokeTokenRequestSchema,
  type IntrospectTokenRequest,
  type IntrospectTokenResponseSchema,
  type RevokeTokenRequest,
} from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { tokenAudience } from "#runtime/access/claims.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { maySee, type Client } from "../domain/client.ts";
import { isTakenBack } from "../domain/tenant.ts";
import { isLive } from "../domain/session.ts";
import { revoke, revokeSessions } from "../events/revoked.ts";
import { hashSecret } from "../store/secret-hash.ts";
import { isRevoked, lockToken } from "../store/sessions.ts";
import type { IdentityTables } from "../store/tables.ts";
import { findTenant } from "../store/tenants.ts";
import { readNow } from "../store/time.ts";
import type { IdentityDeps } from "./deps.ts";
import { invalidClient, unauthorizedClient } from "./refusals.ts";
import { recordEnd } from "./session-entry.ts";

type Introspected = MessageInitShape<typeof IntrospectTokenResponseSchema>;

interface Looking {
  deps: IdentityDeps;
  tx: Transaction<IdentityTables>;
  now: Date;
  client: Client;
  token: string;
}

/** A JWT has dots, a refresh token has none. */
const isJwt = (token: string): boolean => token.includes(".");

export function revokeMethod(deps: IdentityDeps): (request: RevokeTokenRequest) => Promise<object> {
  return (request) =>
    deps.transaction(async (tx) => {
      const now = await readNow(tx);
      const client = await deps.clients.authenticate(tx, request, now);
      const looking = { deps, tx, now, client, token: request.token };
      await (isJwt(request.token) ? revokeAccessToken(looking) : revokeRefreshToken(looking));
      return {};
    });
}

async function revokeAccessToken({ deps, tx, now, client, token }: Looking): Promise<void> {
  const claims = await deps.tokens.verify(tx, token, now);
  if (!claims) return;
  assertOwn(client, claims.client_id);
  const { jti, tenant, sub, client_id: clientId, roles, exp } = claims;
  const fresh = await revoke(tx, [{ revokedId: jti, tenant, expireTime: new Date(exp * 1_000) }], { now });
  if (!fresh.has(jti)) return;
  const by = { tenant, subject: sub, clientId, roles };
  await recordChange(tx, {
    resource: { kind: "access_token", id: jti },
    after: shown(RevokeTokenRequestSchema, { clientId }),
    by,
  });
}

/** With the access tokens of its session (RFC 7009, section 2.1). One that was used belongs to its session all the same. */
async function revokeRefreshToken({ tx, now, client, token }: Looking): Promise<void> {
  const held = await lockToken(tx, hashSecret(token));
  if (!held) return;
  assertOwn(client, held.session.clientId);
  const ended = await revokeSessions(tx, { sessionId: held.session.sessionId }, { now });
  if (ended > 0) await recordEnd(tx, held.session);
}

function assertOwn(client: Client, clientId: string): void {
  if (client.clientId !== clientId) throw unauthorizedClient("the token was given to another client");
}

export function introspectMethod(deps: IdentityDeps): (request: IntrospectTokenRequest) => Promise<Introspected> {
  return (request) =>
    deps.transaction(async (tx) => {
      const now = await readNow(tx);
      const client = await deps.clients.authenticate(tx, request, now);
      // Whoever can only say who it is could try tokens here (RFC 7662, section 2.1).
      if (client.isPublic) throw invalidClient();
      const looking = { deps, tx, now, client, token: request.token };
      return (await (isJwt(request.token) ? lookAtAccessToken(looking) : lookAtRefreshToken(looking))) ?? { active: false };
    });
}

async function lookAtAccessToken({ deps, tx, now, client, token }: Looking): Promise<Introspected | undefined> {
  const claims = await deps.tokens.verify(tx, token, now);
  if (!claims || !maySee(client, claims.tenant)) return undefined;
  const { jti, sid = "", client_id: clientId, tenant, roles, scope, sub, iat, exp } = claims;
  if (await isRevoked(tx, [jti, sid])) return undefined;
  const shop = await findTenant(tx, tenant);
  if (shop && isTakenBack(shop, { issueTime: new Date(iat * 1_000), roles })) return undefined;
  const about = { iss: deps.issuer, aud: tokenAudience, tokenType: "Bearer" };
  return { active: true, jti, sid, clientId, tenant, roles, scope, sub, iat, exp, ...about };
}

async function lookAtRefreshToken({ deps, tx, now, client, token }: Looking): Promise<Introspected | undefined> {
  const held = await lockToken(tx, hashSecret(token));
  if (!held || held.usedTime !== null || !isLive(held.session, now) || !maySee(client, held.session.tenant)) return undefined;
  const { sessionId, clientId, tenant, roles, scopes, customerId, expireTime } = held.session;
  if ((await findTenant(tx, tenant))?.isDisabled) return undefined;
  const times = { iat: secondsOf(held.createTime), exp: secondsOf(expireTime) };
  const about = { sid: sessionId, clientId, tenant, roles, scope: scopes.join(" "), sub: customerId, iss: deps.issuer };
  return { active: true, ...about, ...times };
}

const secondsOf = (time: Date): number => Math.floor(time.getTime() / 1_000);
