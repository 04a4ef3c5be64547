// A subject of the stream, taken apart for the books.

export interface EventSubject {
  typeName: string;
  service: string;
  tenant: string;
  key: string;
}

const partsOfSubject = 9;

/** p.<partition>.ordermesh.<service>.events.<version>.<Event>.<tenant>.<key>; undefined for what was sent again to one consumer. */
export function parseSubject(subject: string): EventSubject | undefined {
  const parts = subject.split(".");
  const [p, , house, service = "", events, , , tenant = "", key = ""] = parts;
  if (parts.length !== partsOfSubject || p !== "p" || house !== "ordermesh" || events !== "events") return undefined;
  return { typeName: parts.slice(2, 7).join("."), service, tenant, key };
}

/** What PostgreSQL and its indexes can hold; the same as consumers ask of a tenant and a key. */
const heldPattern = /^[\x21-\x2d\x2f-\x7e]{1,128}$/;

/** Whether the books can be kept by this subject. Where not, no consumer takes it for an event either. */
export const canBeCounted = ({ tenant, key }: EventSubject): boolean => heldPattern.test(tenant) && heldPattern.test(key);
