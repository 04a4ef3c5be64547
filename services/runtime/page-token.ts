// Page tokens: opaque to callers, the last key of a page to us, and whose page it was.
import { Code } from "@connectrpc/connect";
import { refuse } from "./errors.ts";
import { currentRequest } from "./request-context.ts";

const pageSizeDefault = 50;

/** Rows a page, where the request's 0 means the default. */
export const pageSizeOf = (asked: number): number => (asked === 0 ? pageSizeDefault : asked);

const encode = (text: string): string => Buffer.from(text, "utf8").toString("base64url");

/** For the tenant of the request at hand. */
export const writePageToken = (lastKey: string): string => encode(`${currentRequest().tenant}|${lastKey}`);

/** The key after which the page begins; undefined for the first page. Refuses what we have not written for this tenant. */
export function readPageToken(token: string): string | undefined {
  if (token === "") return undefined;
  const text = Buffer.from(token, "base64url").toString("utf8");
  const [, tenant, key] = /^(.*)\|([\w.:-]{1,200})$/s.exec(text) ?? [];
  if (encode(text) !== token || key === undefined || tenant !== currentRequest().tenant) {
    throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one that an earlier page has given");
  }
  return key;
}

/** Cuts one row more than a page holds to a page, and says how it goes on. */
export function cutPage<Row>(
  rows: readonly Row[],
  pageSize: number,
  keyOf: (row: Row) => string,
): { rows: Row[]; nextPageToken: string } {
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  return { rows: page, nextPageToken: rows.length > pageSize && last !== undefined ? writePageToken(keyOf(last)) : "" };
}
