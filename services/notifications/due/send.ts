// Sends one notification: claimed before anything leaves the process, so that at most one message comes of it.
import { Code, ConnectError } from "@connectrpc/connect";
import { CustomerState } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { crashPoint } from "#runtime/faults.ts";
import { idempotentMs } from "#runtime/mail/contract.ts";
import { dueWork, planDue, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { languagesFor, templateInForce } from "../domain/default-templates.ts";
import { effectivePreferences, factAgeMsMax, valuesOf } from "../domain/facts.ts";
import { mailRetryMs, settle, type Message, type Notification, type Outcome } from "../domain/notification.ts";
import { render } from "../domain/render.ts";
import type { CarrierSettings } from "../provider/settings.ts";
import { claimNotification, countRepeat, readNotification, sendKind, settleNotification } from "../store/notifications.ts";
import { isErased, readPreferences } from "../store/preferences.ts";
import { findTemplates } from "../store/templates.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { carrierOf, outcomeOf } from "./carriers.ts";

type Runtime = Pick<ServiceRuntime<NotificationsTables>, "db" | "transaction" | "client" | "clock">;
interface Key {
  tenant: string;
  notificationId: string;
}
/** What is to be handed over, or why nothing is. */
type Written = { kind: "skipped"; reason: string } | { kind: "message"; message: Message; language: string; customerId: string };

export function sendWork(runtime: Runtime, settings: CarrierSettings): DueWork {
  const { db, clock } = runtime;
  const write = writerOf(runtime);
  const retryMs = settings.retryMs ?? mailRetryMs;
  return dueWork<NotificationsTables, Outcome>({
    kind: sendKind,
    prepare: async ({ tenant, key: notificationId }): Promise<Outcome> => {
      const key = { tenant, notificationId };
      const notification = await readNotification(db, key);
      if (notification?.state === "SENDING") return repeat(runtime, settings, { key, notification });
      if (notification?.state !== "PLANNED") return { kind: "nothing" };
      const written = await write(tenant, notification);
      if (written.kind === "skipped") return written;
      return claimAndSend(runtime, settings, { key, notification, written });
    },
    apply: async (tx, items) => {
      for (const { item, prepared } of items) {
        if (prepared.kind === "nothing") continue;
        const { tenant, key, cause } = item;
        const settled = settle(prepared, retryMs);
        await settleNotification(tx, { tenant, notificationId: key }, { settled, now: clock.now() });
        const { againInMs } = settled;
        if (againInMs !== undefined) await planDue(tx, [{ kind: sendKind, tenant, key, due: { inMs: againInMs }, cause }]);
      }
    },
  });
}

async function claimAndSend(
  { db, transaction, clock }: Runtime,
  settings: CarrierSettings,
  { key, notification, written }: { key: Key; notification: Notification; written: Written & { kind: "message" } },
): Promise<Outcome> {
  const carrier = carrierOf(settings, notification.channel);
  if (!carrier) return { kind: "skipped", reason: "NO_MAILER" };
  const claim = { ...written, provider: carrier.name, now: clock.now() };
  const attempts = await transaction((tx) => claimNotification(tx, key, claim));
  if (attempts === undefined) {
    const isGone = await isErased(db, { tenant: key.tenant, customerId: written.customerId });
    return isGone ? { kind: "skipped", reason: "CUSTOMER_ERASED" } : { kind: "nothing" };
  }
  crashPoint(sendKind, "before_provider");
  return outcomeOf(carrier.send(written.message, key.notificationId), { attempts, mayRepeat: carrier.isIdempotent });
}

/**
 * Somebody claimed it before, and nobody knows how that ended. Where repeats under one key are one message, it is handed over again,
 * the same to the letter; everywhere else it is left, because a second message would be worse than none.
 */
async function repeat(
  { transaction, clock }: Runtime,
  settings: CarrierSettings,
  { key, notification }: { key: Key; notification: Notification },
): Promise<Outcome> {
  const { message, claimTime, channel, provider, attempts: before } = notification;
  const carrier = carrierOf(settings, channel);
  const isYoung = claimTime !== null && clock.now().getTime() - claimTime.getTime() < idempotentMs;
  if (!message || !isYoung || !carrier?.isIdempotent || carrier.name !== provider) {
    return { kind: "unknown", reason: "OUTCOME_UNKNOWN", attempts: before, mayRepeat: false };
  }
  const attempts = await transaction((tx) => countRepeat(tx, key));
  if (attempts === undefined) return { kind: "nothing" };
  return outcomeOf(carrier.send(message, key.notificationId), { attempts, mayRepeat: true });
}

/** Asks whom to tell and writes the message. Throws where a service cannot be asked: then it is tried again. */
function writerOf({ db, client, clock }: Runtime): (tenant: string, notification: Notification) => Promise<Written> {
  const customers = client(CustomersService);
  const orders = client(OrdersService);
  const skipped = (reason: string): Written => ({ kind: "skipped", reason });
  return async (tenant, notification) => {
    const { orderId, fact, channel, data, factTime } = notification;
    if (clock.now().getTime() - factTime.getTime() > factAgeMsMax) return skipped("TOO_OLD");
    // An order from before this service was there was not heard of.
    const order = notification.customerId === "" ? await found(orders.getOrder({ orderId })) : undefined;
    const customerId = notification.customerId || order?.order?.customerId;
    if (!customerId) return skipped("ORDER_NOT_FOUND");
    const preferences = effectivePreferences(await readPreferences(db, { tenant, customerId }));
    const isWanted = preferences.some((one) => one.fact === fact && one.channel === channel && one.enabled);
    if (!isWanted) return skipped("NOT_WANTED");
    const customer = (await found(customers.getCustomer({ customerId })))?.customer;
    if (customer?.state === CustomerState.ERASED) return skipped("CUSTOMER_ERASED");
    const { email = "", phone = "", locale = "", displayName = "", givenName = "" } = customer?.profile ?? {};
    const to = { email, sms: phone, push: customerId }[channel];
    if (to === "") return skipped("NO_ADDRESS");
    const languages = languagesFor(locale);
    const template = templateInForce({ fact, channel, languages }, await findTemplates(db, { tenant, fact, channel, languages }));
    if (!template) throw new Error(`there is no template for ${fact} by ${channel}`);
    const { language, content } = template;
    const total = notification.total ?? undefined;
    const values = valuesOf({ orderId, customerName: displayName || givenName, total, data }, language);
    return { kind: "message", customerId, language, message: { to, ...render(content, values) } };
  };
}

/** Undefined for what does not exist. */
async function found<Answer>(asking: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}
