// A server on loopback that speaks the endpoints of Stripe's API that we use, with books in memory: what it does under an
// Idempotency-Key it does once, and tests can take its answers away.
// Shapes, codes and states: https://docs.stripe.com/api (payment intents, charges, refunds, idempotent requests, errors).
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StripeCharge {
  id: string;
  object: "charge";
  status: "succeeded" | "failed";
  payment_intent: string;
  transfer_group: string | null;
  captured: boolean;
  amount: number;
  amount_refunded: number;
  failure_code: string | null;
  outcome: { reason: string | null };
}

export interface StripeIntent {
  id: string;
  object: "payment_intent";
  amount: number;
  amount_received: number;
  currency: string;
  status: "requires_capture" | "requires_action" | "requires_payment_method" | "succeeded" | "canceled";
  metadata: Record<string, string>;
  transfer_group: string | null;
  latest_charge: string | null;
  /** Who has it goes on with the intent. */
  client_secret: string;
  last_payment_error: { code: string } | null;
  created: number;
}

export type StripeFault =
  /** Does what it is asked and cuts the line before the answer. */
  | "lose answers"
  /** Cuts the line before it does anything. */
  | "lose requests"
  | "answer 500"
  | "answer 429"
  /** Does what it is asked and says nothing. */
  | "say nothing";

export interface TestStripe {
  url: string;
  intents: Map<string, StripeIntent>;
  charges: Map<string, StripeCharge>;
  /** Of every request, such as "POST /v1/payment_intents". */
  requests: string[];
  /** Until it is set to undefined. */
  fault: StripeFault | undefined;
  /** As a buyer does on its bank's page, with the secret of the intent or, after a failure, with another card. */
  authenticate(clientSecret: string, succeeds: boolean): StripeIntent;
  /** As a bank does after a week: the hold is gone and the intent canceled. */
  letLapse(intentId: string): void;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
}

class Refusal extends Error {
  readonly answer: Answer;

  constructor(status: number, error: Record<string, unknown>) {
    super(String(error["message"]));
    this.answer = { status, body: { error } };
  }
}

const id = (prefix: string): string => `${prefix}_${randomBytes(10).toString("hex")}`;
const invalid = (code: string | undefined, message: string): Refusal =>
  new Refusal(400, { type: "invalid_request_error", ...(code ? { code } : {}), message });
const missing = (what: string): Refusal =>
  new Refusal(404, { type: "invalid_request_error", code: "resource_missing", message: `No such ${what}` });

const declines: Readonly<Record<string, string>> = {
  pm_card_chargeDeclined: "generic_decline",
  pm_card_chargeDeclinedInsufficientFunds: "insufficient_funds",
};

/** @param keys Secret keys that it knows. */
export async function startStripe({ keys }: { keys: readonly string[] }): Promise<TestStripe> {
  const intents = new Map<string, StripeIntent>();
  const charges = new Map<string, StripeCharge>();
  const known = new Map<string, { asked: string; answer: Answer }>();
  const requests: string[] = [];

  const create = (form: URLSearchParams): StripeIntent => {
    const token = form.get("payment_method") ?? "";
    if (!token.startsWith("pm_card_")) throw missing("PaymentMethod");
    if (form.get("confirm") !== "true" || form.get("capture_method") !== "manual") throw invalid(undefined, "not how we ask");
    const amount = Number(form.get("amount"));
    if (amount > 99_999_999) throw invalid("amount_too_large", "Amount must be no more than 999,999.99");
    const intent: StripeIntent = {
      id: id("pi"),
      object: "payment_intent",
      amount,
      amount_received: 0,
      currency: form.get("currency") ?? "",
      status: "requires_capture",
      metadata: Object.fromEntries([...form].flatMap(([name, value]) => metadataOf(name, value))),
      transfer_group: form.get("transfer_group"),
      latest_charge: null,
      client_secret: id("secret"),
      last_payment_error: null,
      created: Math.floor(Date.now() / 1_000),
    };
    intents.set(intent.id, intent);
    if (token === "pm_card_authenticationRequired") return Object.assign(intent, { status: "requires_action" });
    const reason = declines[token];
    openCharge(intent, reason);
    if (reason === undefined) return intent;
    intent.status = "requires_payment_method";
    throw new Refusal(402, {
      type: "card_error",
      code: "card_declined",
      decline_code: reason,
      message: "Your card was declined.",
    });
  };

  /** There is none before the bank has been asked. */
  const openCharge = (intent: StripeIntent, reason: string | undefined): void => {
    const made: StripeCharge = {
      id: id("ch"),
      object: "charge",
      status: reason === undefined ? "succeeded" : "failed",
      payment_intent: intent.id,
      transfer_group: intent.transfer_group,
      captured: false,
      amount: intent.amount,
      amount_refunded: 0,
      failure_code: reason === undefined ? null : "card_declined",
      outcome: { reason: reason ?? null },
    };
    charges.set(made.id, made);
    intent.latest_charge = made.id;
  };

  const authenticate = (clientSecret: string, succeeds: boolean): StripeIntent => {
    const intent = [...intents.values()].find((each) => each.client_secret === clientSecret);
    if (intent?.status !== "requires_action" && intent?.status !== "requires_payment_method") throw new Error("nothing to do");
    if (succeeds) openCharge(intent, undefined);
    const last_payment_error = succeeds ? null : { code: "payment_intent_authentication_failure" };
    return Object.assign(intent, {
      status: succeeds ? "requires_capture" : "requires_payment_method",
      last_payment_error,
    } as const);
  };

  const intentOf = (reference: string): StripeIntent => {
    const intent = intents.get(reference);
    if (!intent) throw missing(`payment_intent: '${reference}'`);
    return intent;
  };

  const capture = (reference: string, form: URLSearchParams): StripeIntent => {
    const intent = intentOf(reference);
    const amount = Number(form.get("amount_to_capture") ?? intent.amount);
    if (intent.status !== "requires_capture") throw unexpectedState(intent);
    if (amount > intent.amount) throw invalid("amount_too_large", "Amount to capture is more than the amount");
    const charge = chargeOf(intent);
    return Object.assign(
      intent,
      { status: "succeeded", amount_received: amount },
      void Object.assign(charge, { captured: true }),
    );
  };

  const cancel = (reference: string): StripeIntent => {
    const intent = intentOf(reference);
    if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedState(intent);
    const held = charges.get(intent.latest_charge ?? "");
    if (held?.status === "succeeded") held.amount_refunded = held.amount;
    intent.status = "canceled";
    return intent;
  };

  const refund = (form: URLSearchParams): unknown => {
    const intent = intentOf(form.get("payment_intent") ?? "");
    const charge = chargeOf(intent);
    const left = intent.amount_received - (charge.captured ? charge.amount_refunded : 0);
    if (left === 0 && charge.captured) throw invalid("charge_already_refunded", "Charge has already been refunded.");
    const amount = Number(form.get("amount") ?? left);
    if (amount > left) throw invalid(undefined, "Refund amount is greater than unrefunded amount on charge");
    charge.amount_refunded += amount;
    return { id: id("re"), object: "refund", amount, status: "succeeded", payment_intent: intent.id };
  };

  const chargeOf = (intent: StripeIntent): StripeCharge => {
    const charge = charges.get(intent.latest_charge ?? "");
    if (!charge) throw invalid("payment_intent_unexpected_state", "This PaymentIntent has no successful charge.");
    return charge;
  };

  const expanded = (intent: StripeIntent) => ({ ...intent, latest_charge: charges.get(intent.latest_charge ?? "") ?? null });

  const list = (query: URLSearchParams): unknown => {
    const since = Number(query.get("created[gte]") ?? 0);
    const all = [...intents.values()].filter(({ created }) => created >= since).toReversed();
    const from = all.findIndex((intent) => intent.id === query.get("starting_after")) + 1;
    const limit = Number(query.get("limit") ?? 10);
    return { object: "list", data: all.slice(from, from + limit).map(expanded), has_more: all.length > from + limit };
  };

  const route = (method: string, url: URL, form: URLSearchParams): unknown => {
    const path = `${method} ${url.pathname}`;
    const [, reference = ""] = /^\/v1\/payment_intents\/(\w+)/.exec(url.pathname) ?? [];
    if (path === "POST /v1/payment_intents") return create(form);
    if (path === "GET /v1/payment_intents") return list(url.searchParams);
    if (path === `POST /v1/payment_intents/${reference}/capture`) return capture(reference, form);
    if (path === `POST /v1/payment_intents/${reference}/cancel`) return cancel(reference);
    if (path === `GET /v1/payment_intents/${reference}`) return expanded(intentOf(reference));
    if (path === "POST /v1/refunds") return refund(form);
    if (path === "GET /v1/charges") {
      const data = [...charges.values()].filter((each) => each.transfer_group === url.searchParams.get("transfer_group"));
      return { object: "list", data: data.toReversed(), has_more: false };
    }
    throw new Refusal(404, { type: "invalid_request_error", message: `Unrecognized request URL (${path}).` });
  };

  const answerTo = (request: IncomingMessage, url: URL, body: string): Answer => {
    const key = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (!keys.includes(key))
      return { status: 401, body: { error: { type: "invalid_request_error", message: "Invalid API Key" } } };
    const once = request.headers["idempotency-key"];
    const asked = `${request.method} ${url.pathname} ${body}`;
    // What was seen under a key of another account is another matter.
    const before = typeof once === "string" ? known.get(`${key} ${once}`) : undefined;
    if (before && before.asked !== asked) {
      return {
        status: 400,
        body: {
          error: {
            type: "idempotency_error",
            message: "Keys for idempotent requests can only be used with the same parameters.",
          },
        },
      };
    }
    if (before) return before.answer;
    const answer = attempt(() => route(request.method ?? "", url, new URLSearchParams(body)));
    if (typeof once === "string") known.set(`${key} ${once}`, { asked, answer });
    return answer;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://stripe");
    requests.push(`${request.method} ${url.pathname}`);
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk as string;
    const { fault } = stripe;
    if (fault === "lose requests") return void request.socket.destroy();
    if (fault === "answer 500") return send(response, { status: 500, body: { error: { type: "api_error", message: "Sorry" } } });
    if (fault === "answer 429")
      return send(response, {
        status: 429,
        body: { error: { type: "invalid_request_error", code: "rate_limit", message: "Too many requests" } },
      });
    const answer = answerTo(request, url, body);
    if (fault === "lose answers") return void request.socket.destroy();
    if (fault !== "say nothing") send(response, answer);
  };

  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stripe: TestStripe = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    intents,
    charges,
    requests,
    fault: undefined,
    authenticate,
    letLapse: (intentId) => void cancel(intentId),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return stripe;
}

const unexpectedState = ({ status }: StripeIntent): Refusal =>
  invalid("payment_intent_unexpected_state", `This PaymentIntent could not be changed because it has a status of ${status}.`);

function metadataOf(name: string, value: string): [string, string][] {
  const key = /^metadata\[(\w+)\]$/.exec(name)?.[1];
  return key === undefined ? [] : [[key, value]];
}

function attempt(work: () => unknown): Answer {
  try {
    // As it was at that moment: a repeat under the same key gets the same.
    return { status: 200, body: structuredClone(work()) };
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    throw error;
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "content-type": "application/json", "request-id": id("req") });
  response.end(JSON.stringify(body));
}
