// What the audit log says of sessions: each has what introspection would say of it.
import type { Transaction } from "kysely";
import { IntrospectTokenResponseSchema } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import type { Changer } from "#runtime/audit-log/entry.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import type { Session } from "../domain/session.ts";
import type { IdentityTables } from "../store/tables.ts";

export const sessionResource = ({ sessionId }: Session) => ({ kind: "session", id: sessionId });

/** Whoever shows a token of a session is who has signed in. */
export const changerOf = ({ tenant, customerId, clientId, roles }: Session): Changer => ({
  tenant,
  subject: customerId,
  clientId,
  roles,
});

export async function recordBegin(tx: Transaction<IdentityTables>, session: Session): Promise<void> {
  const { clientId, customerId, roles, scopes, expireTime } = session;
  const about = { active: true, clientId, sub: customerId, roles, scope: scopes.join(" ") };
  const after = shown(IntrospectTokenResponseSchema, { ...about, exp: Math.floor(expireTime.getTime() / 1_000) });
  await recordChange(tx, { resource: sessionResource(session), after, by: changerOf(session) });
}

/** Of a session that the call has ended. */
export async function recordEnd(tx: Transaction<IdentityTables>, session: Session): Promise<void> {
  const [before, after] = [true, false].map((active) => shown(IntrospectTokenResponseSchema, { active }));
  await recordChange(tx, { resource: sessionResource(session), before: before!, after: after!, by: changerOf(session) });
}
