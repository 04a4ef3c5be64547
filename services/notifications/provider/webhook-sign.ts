// Signatures by Standard Webhooks 1.0.0: HMAC-SHA256 over id, time and body, one for each secret that holds.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
import { createHmac, randomBytes } from "node:crypto";

const prefix = "whsec_";
const secretBytes = 32;

/** As it is shown to people: whsec_ and base64. */
export const newSecret = (): string => `${prefix}${randomBytes(secretBytes).toString("base64")}`;

export function webhookHeaders(
  { id, time, body }: { id: string; time: Date; body: string },
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(time.getTime() / 1_000));
  const sign = (secret: string): string =>
    createHmac("sha256", Buffer.from(secret.slice(prefix.length), "base64"))
      .update(`${id}.${timestamp}.${body}`)
      .digest("base64");
  return {
    "content-type": "application/json",
    "user-agent": "ordermesh-webhooks/1",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": secrets.map((secret) => `v1,${sign(secret)}`).join(" "),
  };
}
