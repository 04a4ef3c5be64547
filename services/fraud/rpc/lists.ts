// Lists and their entries. What being in one means is said by the rules that refer to it.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import type { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { FraudListSchema, ListKind as Kind, type ListEntry, type ListEntrySchema } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { entryForm, type FraudList, type ListKind } from "../domain/lists.ts";
import { defaultPolicy, listIdsOf } from "../domain/rules.ts";
import {
  countEntries,
  deleteEntries,
  deleteList,
  findList,
  insertList,
  listEntries,
  listsOf,
  lockList,
  putEntries,
  type NewEntry,
  type StoredEntry,
} from "../store/lists.ts";
import { lockRules, ruleSetsOf } from "../store/rules.ts";
import type { Tables } from "../store/tables.ts";

const listsMax = 200;
const entriesMax = 100_000;

type Methods = Pick<
  ServiceImpl<typeof FraudService>,
  "createList" | "listLists" | "deleteList" | "listListEntries" | "addListEntries" | "removeListEntries"
>;

export function listMethods(runtime: ServiceRuntime<Tables>): Methods {
  const { db, clock } = runtime;
  return {
    createList: async ({ list: wanted }) => {
      if (!wanted) throw new Error("a request without a list passed validation");
      const { tenant } = currentRequest();
      const { name } = wanted;
      const list = { listId: newId("lst"), name, kind: kindOfMessage(wanted.kind), createTime: clock.now() };
      await runtime.transaction(async (tx) => {
        await lockRules(tx, tenant);
        if ((await listsOf(tx, tenant)).length >= listsMax) throw tooManyLists();
        if (!(await insertList(tx, tenant, list))) throw nameTaken(name);
        await recordChange(tx, { resource: resourceOf(list.listId), after: shown(FraudListSchema, listMessage(list)) });
      });
      return { list: listMessage(list) };
    },

    listLists: async () => ({ lists: (await listsOf(db, currentRequest().tenant)).map(listMessage) }),

    deleteList: async ({ listId }) => {
      const { tenant } = currentRequest();
      await runtime.transaction(async (tx) => {
        // Whoever adds a rule that refers to it holds the same lock.
        await lockRules(tx, tenant);
        const list = await lockList(tx, { tenant, listId });
        if (!list) throw listNotFound(listId);
        await assertUnused(tx, { tenant, listId });
        await deleteList(tx, { tenant, listId });
        await recordChange(tx, { resource: resourceOf(listId), before: shown(FraudListSchema, listMessage(list)) });
      });
      return {};
    },

    listListEntries: async ({ listId, pageSize: asked, pageToken }) => {
      const { tenant } = currentRequest();
      if (!(await findList(db, { tenant, listId }))) throw listNotFound(listId);
      const pageSize = pageSizeOf(asked);
      const afterNumber = afterNumberOf(pageToken, listId);
      // One more than the page says whether there is another.
      const rows = await listEntries(db, { tenant, listId, afterNumber, rowsMax: pageSize + 1 });
      const page = cutPage(rows, pageSize, ({ entryNumber }) => `${listId}:${entryNumber}`);
      return { entries: page.rows.map(entryMessage), nextPageToken: page.nextPageToken };
    },

    addListEntries: async ({ listId, entries }) => {
      const { tenant } = currentRequest();
      const now = clock.now();
      return await runtime.transaction(async (tx) => {
        const list = await lockList(tx, { tenant, listId });
        if (!list) throw listNotFound(listId);
        const counts = await putEntries(tx, { tenant, listId, entries: entriesOf(list.kind, entries), now });
        if ((await countEntries(tx, { tenant, listId })) > entriesMax) throw tooManyEntries();
        // A repeat adds nothing. The values are not told: they name persons.
        if (counts.added + counts.updated > 0) await recordChange(tx, { resource: resourceOf(listId), after: counts });
        return counts;
      });
    },

    removeListEntries: async ({ listId, values }) => {
      const { tenant } = currentRequest();
      return await runtime.transaction(async (tx) => {
        const list = await lockList(tx, { tenant, listId });
        if (!list) throw listNotFound(listId);
        // What could not be an entry is not there.
        const forms = values.flatMap((text) => {
          const form = entryForm(list.kind, text);
          return form.kind === "entry" ? [form.value] : [];
        });
        const removed = await deleteEntries(tx, { tenant, listId, values: forms });
        if (removed > 0) await recordChange(tx, { resource: resourceOf(listId), after: { removed } });
        return { removed };
      });
    },
  };
}

/** In the form in which they are kept; of those with one value the last. Refuses all where one cannot be an entry. */
function entriesOf(kind: ListKind, entries: readonly ListEntry[]): NewEntry[] {
  const forms = entries.map(({ value: text, note, expireTime }, index) => {
    const form = entryForm(kind, text);
    if (form.kind === "invalid") throw entryInvalid(index, form.why);
    return { value: form.value, note, expireTime: expireTime ? timestampDate(expireTime) : null };
  });
  return [...new Map(forms.map((form) => [form.value, form])).values()];
}

async function assertUnused(tx: Transaction<Tables>, { tenant, listId }: { tenant: string; listId: string }): Promise<void> {
  const rules = (await ruleSetsOf(tx, { tenants: [tenant], first: defaultPolicy })).get(tenant)?.rules ?? [];
  const user = rules.find((rule) => listIdsOf(rule).includes(listId));
  if (!user) return;
  const { ruleId } = user;
  const message = `rule ${ruleId} refers to list ${listId}: change or delete the rule first`;
  throw refuse(Code.FailedPrecondition, "LIST_IN_USE", message, { listId, ruleId });
}

/** A token names its list, because the place in one list is none in another. */
function afterNumberOf(pageToken: string, listId: string): number {
  const key = readPageToken(pageToken);
  if (key === undefined) return 0;
  const afterNumber = key.startsWith(`${listId}:`) ? Number(key.slice(listId.length + 1)) : Number.NaN;
  if (Number.isSafeInteger(afterNumber)) return afterNumber;
  throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token was given by another list");
}

const kindMessages = {
  BIN: Kind.BIN,
  DEVICE: Kind.DEVICE,
  ADDRESS: Kind.ADDRESS,
  EMAIL: Kind.EMAIL,
  CUSTOMER: Kind.CUSTOMER,
} as const satisfies Record<ListKind, Kind>;

function kindOfMessage(message: Kind): ListKind {
  const kinds = ["BIN", "DEVICE", "ADDRESS", "EMAIL", "CUSTOMER"] as const satisfies ListKind[];
  const kind = kinds.find((candidate) => kindMessages[candidate] === message);
  if (!kind) throw new Error("a list without a kind passed validation");
  return kind;
}

const listMessage = ({ listId, name, kind, createTime }: FraudList): MessageInitShape<typeof FraudListSchema> => ({
  listId,
  name,
  kind: kindMessages[kind],
  createTime: timestampFromDate(createTime),
});

const entryMessage = ({ value, note, expireTime, createTime }: StoredEntry): MessageInitShape<typeof ListEntrySchema> => ({
  value,
  note,
  ...(expireTime ? { expireTime: timestampFromDate(expireTime) } : {}),
  createTime: timestampFromDate(createTime),
});

const resourceOf = (id: string) => ({ kind: "fraud_list", id });

export const listNotFound = (listId: string): ConnectError =>
  refuse(Code.NotFound, "LIST_NOT_FOUND", `there is no list ${listId}`, { listId });

const nameTaken = (name: string): ConnectError =>
  refuse(Code.AlreadyExists, "LIST_NAME_TAKEN", `a list is called "${name}" already: choose another name`, { name });

const tooManyLists = (): ConnectError =>
  refuse(Code.ResourceExhausted, "TOO_MANY_LISTS", `there are ${listsMax} lists already, delete one first`, {
    listsMax: String(listsMax),
  });

const tooManyEntries = (): ConnectError =>
  refuse(Code.ResourceExhausted, "TOO_MANY_ENTRIES", `a list has at most ${entriesMax} entries: remove some, or make another`, {
    entriesMax: String(entriesMax),
  });

const entryInvalid = (index: number, why: string): ConnectError =>
  refuse(Code.InvalidArgument, "LIST_ENTRY_INVALID", `entries[${index}] cannot be in this list: ${why}`, {
    index: String(index),
    why,
  });
