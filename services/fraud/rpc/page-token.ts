// A page token says after which order the next page starts, and of which list.
import { Code } from "@connectrpc/connect";
import { refuse } from "#runtime/errors.ts";

export interface PageStart {
  /** The filter of the list; a token does not fit another list. */
  list: string;
  afterOrderId: string;
}

export function pageToken({ list, afterOrderId }: PageStart): string {
  return Buffer.from(JSON.stringify([list, afterOrderId])).toString("base64url");
}

/** Undefined for the first page. Throws INVALID_ARGUMENT where the token was not made for this list. */
export function pageStart(token: string, list: string): string | undefined {
  if (token === "") return undefined;
  const afterOrderId = afterOrderIdOf(token, list);
  if (afterOrderId === undefined) {
    throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one that this list has given");
  }
  return afterOrderId;
}

function afterOrderIdOf(token: string, list: string): string | undefined {
  try {
    const content: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (!Array.isArray(content) || content[0] !== list) return undefined;
    const afterOrderId: unknown = content[1];
    if (typeof afterOrderId !== "string") return undefined;
    // Buffer skips what is not base64url; only a token that we would make again is one of ours.
    return pageToken({ list, afterOrderId }) === token ? afterOrderId : undefined;
  } catch {
    return undefined;
  }
}
