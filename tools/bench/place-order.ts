// One order placed by each protocol, and why it was not.
import { Agent, request } from "node:http";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { clientTokens } from "../operator.ts";
import type { LoadOptions } from "./load.ts";
import { NotAccepted, placeByRpc } from "./place-by-rpc.ts";

export interface Basket {
  customerId: string;
  items: { sku: string; quantity: bigint }[];
}

/** Answers the order's id; throws where there is none. */
export type Place = (basket: Basket) => Promise<string>;

const connections = 4;
const socketsMax = 1_024;
const order = { currency: "EUR", paymentToken: "tok_success" };

/** Some connections to each address, or one pool of them for HTTP/1.1. */
export function createPlacers(options: Pick<LoadOptions, "urls" | "identityUrl" | "clients" | "protocol">): Place[] {
  const { urls, protocol, identityUrl = urls[0] ?? "", clients = [{}] } = options;
  if (protocol === "REST") {
    const token = clientTokens({ edgeUrl: identityUrl });
    return urls.map((url) => placeByHttp(new URL("/v1/orders", url), token));
  }
  if (protocol === "Connect JSON") {
    const token = clientTokens({ rpcUrl: identityUrl });
    return urls.map((url) => placeByHttp(new URL(`/${OrdersService.typeName}/PlaceOrder`, url), token));
  }
  const perUrl = Math.ceil(connections / urls.length);
  const token = inTurn(clients.map((client) => clientTokens({ rpcUrl: identityUrl, ...client })));
  return Array.from({ length: perUrl }, () => urls.map((url) => placeByRpc({ url, protocol, token, order }))).flat();
}

function inTurn(sources: readonly (() => Promise<string>)[]): () => Promise<string> {
  let calls = 0;
  return () => {
    calls += 1;
    return (sources[calls % sources.length] as () => Promise<string>)();
  };
}

function placeByHttp(target: URL, token: () => Promise<string>): Place {
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax });
  return async ({ customerId, items }) => {
    const lines = items.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) }));
    const body = JSON.stringify({ ...order, customerId, items: lines });
    const authorization = `Bearer ${await token()}`;
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), authorization };
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const call = request(target, { method: "POST", agent, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => void (text += chunk));
      answer.once("error", reject);
      answer.once("end", () => {
        const orderId = /"orderId": ?"(\w+)"/.exec(text)?.[1];
        const { statusCode = 0 } = answer;
        if (statusCode >= 200 && statusCode < 300 && orderId !== undefined) resolve(orderId);
        else reject(new NotAccepted(`HTTP ${statusCode}${reasonIn(text)}`));
      });
    });
    call.once("error", reject);
    call.end(body);
    return promise;
  };
}

const reasonIn = (text: string): string => {
  const reason = /"reason": ?"([A-Z_]+)"/.exec(text)?.[1];
  return reason === undefined ? "" : ` ${reason}`;
};
