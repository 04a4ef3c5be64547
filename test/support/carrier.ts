// A server on loopback that is a carrier as docs/shipping.md has it, with books in memory: what it does under an Idempotency-Key it does
// once, and tests can take its answers away.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type CarrierFault =
  /** Does what it is asked and cuts the line before the answer. */
  | "lose answers"
  /** Cuts the line before it does anything. */
  | "lose requests"
  /** Does what it is asked, and answers 500. */
  | "answer 500 afterwards"
  /** Does nothing, and answers 503. */
  | "answer 503"
  /** Does what it is asked and says nothing. */
  | "say nothing"
  /** Does what it is asked, and answers with something else. */
  | "talk nonsense";

export interface CarrierParcel {
  key: string;
  trackingNumber: string;
  asked: { shipmentId: string; to: { postalCode?: string } | null; [field: string]: unknown };
  isCancelled: boolean;
  /** How often it was asked to cancel it. */
  cancels: number;
}

export interface TestCarrier {
  url: string;
  /** By key, of all accounts. */
  parcels: Map<string, CarrierParcel>;
  /** Of every request, such as "POST /parcels". */
  requests: string[];
  /** Until it is set to undefined. */
  fault: CarrierFault | undefined;
  /** How long it takes. */
  delayMs: number;
  /** Base64 that goes with its answers. */
  label: string | undefined;
  /** It has the parcels: none is cancelled any more. */
  hasCollected: boolean;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
}

/** Addresses that it does not serve have this code. */
export const postalCodeRefused = "99999";
export const testLabel = Buffer.from("%PDF-1.4 the carrier's own").toString("base64");

/** @param tokens Of its accounts, which share nothing. */
export async function startCarrier({ tokens }: { tokens: readonly string[] }): Promise<TestCarrier> {
  const parcels = new Map<string, CarrierParcel>();
  const refusals = new Map<string, Answer>();
  const accountOf = new Map<string, string>();
  const isOf = (account: string, key: string): boolean => accountOf.get(key) === account;

  const answerOf = ({ trackingNumber, isCancelled }: CarrierParcel): Answer =>
    isCancelled
      ? { status: 410, body: {} }
      : { status: 200, body: { trackingNumber, ...(carrier.label !== undefined && { label: carrier.label }) } };

  const find = (account: string, key: string): Answer => {
    const parcel = isOf(account, key) ? parcels.get(key) : undefined;
    if (parcel) return answerOf(parcel);
    return (isOf(account, key) ? refusals.get(key) : undefined) ?? { status: 404, body: {} };
  };

  const book = (account: string, key: string, asked: CarrierParcel["asked"]): Answer => {
    const before = find(account, key);
    if (before.status !== 404) return before;
    accountOf.set(key, account);
    if (asked.to?.postalCode === postalCodeRefused) {
      const refusal = { status: 422, body: { reason: "ADDRESS_NOT_SERVED", message: `nothing goes to ${asked.to.postalCode}` } };
      refusals.set(key, refusal);
      return refusal;
    }
    const trackingNumber = `PP${String(parcels.size + 1).padStart(8, "0")}`;
    const parcel = { key, trackingNumber, asked, isCancelled: false, cancels: 0 };
    parcels.set(key, parcel);
    return answerOf(parcel);
  };

  const cancel = (account: string, key: string): Answer => {
    const parcel = isOf(account, key) ? parcels.get(key) : undefined;
    if (!parcel) return { status: 404, body: {} };
    parcel.cancels += 1;
    if (carrier.hasCollected) return { status: 422, body: { reason: "ALREADY_COLLECTED", message: "it is on its way" } };
    parcel.isCancelled = true;
    return { status: 200, body: {} };
  };

  const handle = async (request: IncomingMessage): Promise<Answer> => {
    const account = request.headers.authorization?.replace(/^Bearer /, "") ?? "";
    if (!tokens.includes(account)) return { status: 401, body: {} };
    const [, path = "", key = "", action = ""] = (request.url ?? "").split("/").map(decodeURIComponent);
    if (path !== "parcels") return { status: 404, body: {} };
    if (request.method === "GET") return find(account, key);
    if (action === "cancel") return cancel(account, key);
    const asked = JSON.parse(await textOf(request)) as CarrierParcel["asked"];
    return book(account, String(request.headers["idempotency-key"]), asked);
  };

  const server = createServer((request, response) => {
    carrier.requests.push(`${request.method} ${request.url}`);
    void serve(carrier, { request, response }, handle);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const carrier: TestCarrier = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    parcels,
    requests: [],
    fault: undefined,
    delayMs: 0,
    label: undefined,
    hasCollected: false,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return carrier;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function serve(
  carrier: TestCarrier,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  handle: (request: IncomingMessage) => Promise<Answer>,
): Promise<void> {
  const { fault, delayMs } = carrier;
  const send = ({ status, body }: Answer): void => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (fault === "lose requests") return void request.socket.destroy();
  if (fault === "answer 503") return send({ status: 503, body: {} });
  const answer = await handle(request);
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (fault === "lose answers") request.socket.destroy();
  else if (fault === "answer 500 afterwards") send({ status: 500, body: {} });
  else if (fault === "talk nonsense") send({ status: 200, body: { parcel: "yes" } });
  else if (fault === undefined) send(answer);
}
