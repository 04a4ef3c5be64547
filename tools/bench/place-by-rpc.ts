// Orders placed by Connect and gRPC over HTTP/2, with messages as the contract has them and no library around them: what a client's
// library needs is the client's affair, and took a fifth of the processors on which all is measured.
import * as http2 from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { OrdersService, PlaceOrderRequestSchema, PlaceOrderResponseSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import type { Basket, Place } from "./place-order.ts";

/** Says the same for the same reason, so that errors can be counted. */
export class NotAccepted extends Error {}

interface Target {
  url: string;
  protocol: "Connect" | "gRPC";
  token: () => Promise<string>;
  /** What all orders have in common. */
  order: { currency: string; paymentToken: string };
}

interface Answer {
  headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  trailers: http2.IncomingHttpHeaders;
  body: Buffer;
}

const path = `/${OrdersService.typeName}/PlaceOrder`;
const contentTypes = { Connect: "application/proto", gRPC: "application/grpc+proto" };
/** Of gRPC: a byte that says that nothing is compressed, and the length. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
const prefixBytes = 5;

/** One connection, made anew where it has ended. */
export function placeByRpc({ url, protocol, token, order }: Target): Place {
  let session: http2.ClientHttp2Session | undefined;
  const open = (): http2.ClientHttp2Session => {
    if (session && !session.closed && !session.destroyed) return session;
    session = http2.connect(url);
    // Each of its calls hears of it.
    session.on("error", () => {});
    return session;
  };
  return async (basket) => {
    const authorization = `Bearer ${await token()}`;
    const headers = { ":method": "POST", ":path": path, "content-type": contentTypes[protocol], te: "trailers", authorization };
    const answer = await exchange(open().request(headers), bodyOf({ ...order, ...basket }, protocol));
    return protocol === "gRPC" ? orderOfGrpc(answer) : orderOfConnect(answer);
  };
}

function bodyOf(order: Target["order"] & Basket, protocol: Target["protocol"]): Uint8Array {
  const message = toBinary(PlaceOrderRequestSchema, create(PlaceOrderRequestSchema, order));
  if (protocol === "Connect") return message;
  const framed = Buffer.alloc(prefixBytes + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}

function exchange(stream: http2.ClientHttp2Stream, body: Uint8Array): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const answer: Answer = { headers: {}, trailers: {}, body: Buffer.alloc(0) };
  const chunks: Buffer[] = [];
  stream.on("response", (headers) => void (answer.headers = headers));
  stream.on("trailers", (trailers) => void (answer.trailers = trailers));
  stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
  stream.once("end", () => resolve({ ...answer, body: Buffer.concat(chunks) }));
  stream.once("error", reject);
  stream.once("close", () => reject(new NotAccepted("the call was cut off")));
  stream.end(body);
  return promise;
}

function orderOfConnect({ headers, body }: Answer): string {
  if (headers[":status"] === 200) return idIn(body);
  const { code = `HTTP ${headers[":status"]}`, message = "" } = JSON.parse(body.toString() || "{}") as Record<string, string>;
  throw new NotAccepted(`${code}: ${withoutNumbers(message)}`);
}

/** Where nothing was accepted there is no body, and the headers are the trailers. */
function orderOfGrpc({ headers, trailers, body }: Answer): string {
  const { "grpc-status": status, "grpc-message": message = "" } = { ...headers, ...trailers };
  if (status === "0") return idIn(body.subarray(prefixBytes));
  throw new NotAccepted(`gRPC status ${String(status)}: ${withoutNumbers(decodeURIComponent(String(message)))}`);
}

const withoutNumbers = (message: string): string => message.replaceAll(/\d+/g, "N");
const idIn = (message: Uint8Array): string => fromBinary(PlaceOrderResponseSchema, message).order?.orderId ?? "";
