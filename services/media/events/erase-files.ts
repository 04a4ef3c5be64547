// Plans that the files of an erased user go.
import type { Transaction } from "kysely";
import type { Cause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { MediaTables, UserKey } from "../store/tables.ts";

export const eraseFilesKind = "media.erase_files";

export const planErasure = (tx: Transaction<MediaTables>, { tenant, userId }: UserKey, cause: Cause): Promise<void> =>
  planDue(tx, [{ kind: eraseFilesKind, tenant, key: userId, due: { inMs: 0 }, cause }]);
