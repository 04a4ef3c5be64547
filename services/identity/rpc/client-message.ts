// A client as it is answered, and as the audit log names it.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "../domain/client.ts";

export const clientResource = (clientId: string) => ({ kind: "client", id: clientId });

export function clientMessage({ clientId, title, isPublic, roles, scopes, rateLimit, createTime }: Client) {
  const createTimestamp = timestampFromDate(createTime);
  return { clientId, title, public: isPublic, roles, scopes, rateLimit: rateLimit ?? 0, createTime: createTimestamp };
}
