// One order placed by each protocol, and why it was not.
import { Agent, request } from "node:http";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import type { LoadOptions } from "./load.ts";

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
export function createPlacers({ urls, protocol }: Pick<LoadOptions, "urls" | "protocol">): Place[] {
  if (protocol === "REST") return urls.map(placeByRest);
  const perUrl = Math.ceil(connections / urls.length);
  return Array.from({ length: perUrl }, () => urls.map((baseUrl) => placeByRpc(baseUrl, protocol))).flat();
}

function placeByRpc(baseUrl: string, protocol: "Connect" | "gRPC"): Place {
  const transport =
    protocol === "gRPC"
      ? createGrpcTransport({ baseUrl, useBinaryFormat: true })
      : createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true });
  const client = createClient(OrdersService, transport);
  return async (basket) => {
    const { order: placed } = await client.placeOrder({ ...order, ...basket });
    return placed?.orderId ?? "";
  };
}

class NotAccepted extends Error {}

function placeByRest(url: string): Place {
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax });
  const target = new URL("/v1/orders", url);
  return ({ customerId, items }) => {
    const lines = items.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) }));
    const body = JSON.stringify({ ...order, customerId, items: lines });
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const call = request(target, { method: "POST", agent, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => void (text += chunk));
      answer.once("error", reject);
      answer.once("end", () => {
        const orderId = /"orderId": ?"(\w+)"/.exec(text)?.[1];
        if (answer.statusCode === 202 && orderId !== undefined) resolve(orderId);
        else reject(new NotAccepted(`HTTP ${answer.statusCode}${reasonIn(text)}`));
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

/** Short and the same for the same reason, so that errors can be counted. */
export function failureReason(error: unknown): string {
  if (error instanceof ConnectError) return `${Code[error.code]}: ${error.rawMessage.replaceAll(/\d+/g, "N")}`;
  return (error as Error).message;
}
