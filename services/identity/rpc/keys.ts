// The public keys, and what must hold before anything is signed: there is a key, our secret opens it, and there is the tenant that
// the installation is of.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { refuse } from "#runtime/errors.ts";
import { planNextKey, publishedKeys } from "../domain/keys.ts";
import { lockKeys, makeKey, readKeys } from "../store/keys.ts";
import { openSealedKey } from "../store/sealed-key.ts";
import { readNow } from "../store/time.ts";
import { publicJwk } from "./access-tokens.ts";
import type { IdentityDeps } from "./deps.ts";
import { registerTenants } from "./registration.ts";

/**
 * Makes the first key, or proves that our secret opens the ones that are there, and registers tenants; once a process. The composition asks for the keys
 * before it says that it is ready, and does not start where that is refused.
 */
export function preparation(deps: IdentityDeps): () => Promise<void> {
  let prepared: Promise<void> | undefined;
  return () => {
    prepared ??= prepare(deps).catch((error: unknown) => {
      prepared = undefined;
      throw error;
    });
    return prepared;
  };
}

async function prepare(deps: IdentityDeps): Promise<void> {
  await prepareKeys(deps);
  await registerTenants(deps);
}

async function prepareKeys({ transaction, sealingKey, configured }: IdentityDeps): Promise<void> {
  const secret = settingsOf(() => {
    configured();
    return sealingKey();
  });
  await transaction(async (tx) => {
    const now = await readNow(tx);
    const keys = await lockKeys(tx);
    const next = planNextKey(keys, now);
    if (keys.length === 0 && next.kind === "make") await makeKey(tx, secret, { now, signTime: next.signTime });
    const isOpen = keys.every(({ keyId, privateSealed }) => openSealedKey(secret, keyId, privateSealed));
    if (!isOpen) throw unfit(wrongSecret);
  });
}

const wrongSecret =
  "The secret does not open the signing keys in the database: set ORDERMESH_SECRET to the one under which they were made, or put its file back into the data folder. Where it is lost, empty the table identity.signing_key: all tokens end, and new keys are made.";

function settingsOf<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof StartupError) throw unfit(error.message);
    throw error;
  }
}

const unfit = (message: string) => refuse(Code.FailedPrecondition, "SETTINGS_UNFIT", message);

export function keysMethods(deps: IdentityDeps, prepared: () => Promise<void>): ServiceImpl<typeof KeysService> {
  return {
    listKeys: async () => {
      await prepared();
      const keys = await deps.transaction(async (tx) => publishedKeys(await readKeys(tx), await readNow(tx)));
      return { keys: keys.map(publicJwk) };
    },
  };
}
