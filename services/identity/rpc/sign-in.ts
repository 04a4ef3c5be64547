// Signing in: what is known of a login decides nothing of how long the answer takes.
import {
  ChangePasswordRequestSchema,
  RegisterAccountRequestSchema,
  type ChangePasswordRequest,
  type RegisterAccountRequest,
  type SignInRequest,
} from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { Code } from "@connectrpc/connect";
import { isOnlyCustomer } from "#runtime/access/caller.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { normalLogin } from "../domain/account.ts";
import { attempt } from "../domain/lock-out.ts";
import { grantScopes } from "../domain/scopes.ts";
import { tellRegistered } from "../events/registered.ts";
import { revokeSessions } from "../events/revoked.ts";
import {
  changePassword,
  findAccount,
  findAccountOf,
  forgetAttempts,
  insertAccount,
  keepAccount,
  lockAttempts,
  saveAttempts,
  type Account,
} from "../store/accounts.ts";
import { isErased, lockCustomer } from "../store/personal-data.ts";
import { readNow } from "../store/time.ts";
import type { IdentityDeps } from "./deps.ts";
import { grantSession, type Grant } from "./grant.ts";
import { accountLocked, invalidGrant, invalidScope } from "./refusals.ts";

interface Guarded {
  tenant: string;
  login: string;
  password: string;
}

const accountOf = (customerId: string) => ({ kind: "account", id: customerId });

const wrongPassword = () => invalidGrant("login or password is wrong");

/** The account whose login and password these are. Counts the attempt, in all processes, before it looks at the password. */
async function checkPassword({ transaction, passwords }: IdentityDeps, { tenant, login, password }: Guarded): Promise<Account> {
  const account = await transaction(async (tx) => {
    const now = await readNow(tx);
    const outcome = attempt(await lockAttempts(tx, { tenant, login }, now), now);
    if (outcome.kind === "locked") throw accountLocked(outcome.retryMs);
    await saveAttempts(tx, { tenant, login }, outcome.attempts);
    return findAccount(tx, { tenant, login });
  });
  const isRight = await passwords.check(password, account?.passwordHash);
  if (!account || !isRight) throw wrongPassword();
  return account;
}

export function signInMethod(deps: IdentityDeps): (request: SignInRequest) => Promise<Grant> {
  const { transaction, clients, passwords, tokens } = deps;
  return async ({ clientId, password, scope, ...request }) => {
    const client = await transaction((tx) => clients.publicClient(tx, clientId));
    const scopes = grantScopes(scope, client.scopes);
    if (!scopes) throw invalidScope();
    const { tenant } = client;
    const login = normalLogin(request.login);
    return passwords.withPlace(async () => {
      const { customerId, passwordHash } = await checkPassword(deps, { tenant, login, password });
      return transaction(async (tx) => {
        const now = await readNow(tx);
        // Its shop may have been shut meanwhile: a token of now would not be among those that were taken back.
        await clients.publicClient(tx, clientId);
        await forgetAttempts(tx, { tenant, login });
        const account = await keepAccount(tx, { tenant, login });
        // Changed while it was looked at: whoever changed it has ended all sessions, and this would be another.
        if (account?.passwordHash !== passwordHash) throw wrongPassword();
        return grantSession({ tokens, tx, now, client }, { customerId, scopes });
      });
    });
  };
}

/** The password is hashed in any case, so that a login that is taken is answered no sooner than a new one. */
export function registerMethod({ transaction, clients, passwords }: IdentityDeps) {
  return async (request: RegisterAccountRequest): Promise<{ customerId: string }> => {
    const { tenant, clientId, roles } = await transaction((tx) => clients.publicClient(tx, request.clientId));
    if (request.customerId !== "") assertOperatorOf(tenant);
    const login = normalLogin(request.login);
    const customerId = request.customerId === "" ? newId("cus") : request.customerId;
    const passwordHash = await passwords.withPlace(() => passwords.hash(request.password));
    const outcome = await transaction(async (tx) => {
      await lockCustomer(tx, { tenant, customerId });
      if (await isErased(tx, { tenant, customerId })) return "customer_erased";
      const now = await readNow(tx);
      const inserted = await insertAccount(tx, { tenant, customerId, login, passwordHash, now });
      if (inserted === "made") {
        await tellRegistered(tx, { tenant, customerId, now });
        const by = { tenant, subject: customerId, clientId, roles };
        await recordChange(tx, { resource: accountOf(customerId), after: shown(RegisterAccountRequestSchema, request), by });
      }
      return inserted;
    });
    switch (outcome) {
      case "made":
        return { customerId };
      case "login_taken":
        throw refuse(Code.AlreadyExists, "LOGIN_TAKEN", "there is an account with this login");
      case "customer_id_taken":
        throw refuse(Code.AlreadyExists, "CUSTOMER_ID_TAKEN", "this customer has an account", { customerId });
      case "customer_erased":
        throw refuse(Code.FailedPrecondition, "CUSTOMER_ERASED", "this customer is erased: register it as a new one", {
          customerId,
        });
    }
  };
}

/** Whoever has an account for a customer sees what the customer has: only the shop knows who that is. */
function assertOperatorOf(tenant: string): void {
  const { caller } = currentRequest();
  if (caller && !isOnlyCustomer(caller) && caller.tenant === tenant) return;
  const message =
    "an operator makes accounts for customers that the shop has: leave customer_id out, or show an operator's token";
  throw refuse(Code.PermissionDenied, "CUSTOMER_ID_RESERVED", message);
}

export function changePasswordMethod(deps: IdentityDeps): (request: ChangePasswordRequest) => Promise<object> {
  const { db, transaction, passwords } = deps;
  return async (request) => {
    const { customerId, currentPassword, newPassword } = request;
    const { tenant } = currentRequest();
    const known = await findAccountOf(db, { tenant, customerId });
    if (!known) throw wrongPassword();
    const { login } = known;
    return passwords.withPlace(async () => {
      const account = await checkPassword(deps, { tenant, login, password: currentPassword });
      const to = await passwords.hash(newPassword);
      await transaction(async (tx) => {
        const now = await readNow(tx);
        await forgetAttempts(tx, { tenant, login });
        const isChanged = await changePassword(tx, { tenant, customerId, from: account.passwordHash, to, now });
        if (!isChanged) throw wrongPassword();
        await recordChange(tx, { resource: accountOf(customerId), after: shown(ChangePasswordRequestSchema, request) });
        await revokeSessions(tx, { tenant, customerId }, { now });
      });
      return {};
    });
  };
}
