// Lists of values that a shop has gathered, the form in which their entries are kept, and which entries an order could be.
import { domainOf, emailForm, valueOf, type ScreenedOrder, type VelocityBy } from "./order.ts";
import { listIdsOf, type Rule } from "./rules.ts";

/** What a list is of: the same as what orders have in common. */
export type ListKind = VelocityBy;

export interface FraudList {
  listId: string;
  name: string;
  kind: ListKind;
  createTime: Date;
}

/** A value as it is kept, or why it cannot be one. */
export type EntryForm = { kind: "entry"; value: string } | { kind: "invalid"; why: string };

export function entryForm(kind: ListKind, text: string): EntryForm {
  const value = kind === "EMAIL" ? emailForm(text) : text.trim();
  const why = whatIsWrong(kind, value);
  return why === undefined ? { kind: "entry", value } : { kind: "invalid", why };
}

function whatIsWrong(kind: ListKind, value: string): string | undefined {
  switch (kind) {
    case "BIN":
      return /^\d{1,8}$/.test(value) ? undefined : "give 1 to 8 digits";
    case "DEVICE":
      return value !== "" && value.length <= 200 ? undefined : "give a device of 1 to 200 characters";
    case "ADDRESS":
      return /^[0-9a-f]{64}$/.test(value) ? undefined : "give the address_hash of an assessment's facts";
    case "EMAIL":
      return /^[^@\s]*@[^@\s]+$/.test(value) ? undefined : 'give an address of mail, or "@" and a domain';
    case "CUSTOMER":
      return /^[A-Za-z0-9_-]{1,64}$/.test(value) ? undefined : "give the id of a customer";
  }
}

/** What of an order an entry could be; none where it has nothing of that kind. */
export function entriesFor(kind: ListKind, order: ScreenedOrder): string[] {
  const value = valueOf(order, kind);
  if (value === "") return [];
  if (kind === "BIN") return Array.from({ length: Math.min(value.length, 8) }, (_, index) => value.slice(0, index + 1));
  return kind === "EMAIL" ? [value, domainOf(value)] : [value];
}

/** Whose list it is. */
export interface ListKey {
  tenant: string;
  listId: string;
}

export interface EntryQuestion extends ListKey {
  value: string;
}

/** The lists at which the rules look; each once. */
export function listsOfRules(rules: ReadonlyMap<string, readonly Rule[]>): ListKey[] {
  return [...rules].flatMap(([tenant, ofTenant]) => {
    const listIds = ofTenant.filter(({ isDisabled }) => !isDisabled).flatMap(listIdsOf);
    return [...new Set(listIds)].map((listId) => ({ tenant, listId }));
  });
}

type KnownList = ListKey & Pick<FraudList, "kind">;

/** Everything that has to be looked for; each once. */
export function entryQuestions(orders: readonly ScreenedOrder[], lists: readonly KnownList[]): EntryQuestion[] {
  const questions = orders.flatMap((order) =>
    lists
      .filter(({ tenant }) => tenant === order.tenant)
      .flatMap(({ tenant, listId, kind }) => entriesFor(kind, order).map((value) => ({ tenant, listId, value }))),
  );
  return [...new Map(questions.map((question) => [entryKey(question), question])).values()];
}

/** In which lists something of an order is, by the entries that were found. */
export function listsFoundFor(lists: readonly KnownList[], found: readonly EntryQuestion[]): (order: ScreenedOrder) => string[] {
  const known = new Set(found.map(entryKey));
  return (order) =>
    lists
      .filter(({ tenant, listId, kind }) => {
        if (tenant !== order.tenant) return false;
        return entriesFor(kind, order).some((value) => known.has(entryKey({ tenant, listId, value })));
      })
      .map(({ listId }) => listId);
}

const entryKey = ({ tenant, listId, value }: EntryQuestion): string => JSON.stringify([tenant, listId, value]);
