// Shipping: makes the parcel of an order that is ready, moves it, or keeps it from leaving.
import { file_ordermesh_shipping_events_v1_shipping_events } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { numberSetting, textSetting, type Environment } from "#runtime/settings.ts";
import { sandboxCarrier } from "./carrier.ts";
import { shippingHears } from "./consumers.ts";
import { shippingDueWork } from "./due.ts";
import { auditMethods } from "./rpc/audit.ts";
import { shippingMethods } from "./rpc/methods.ts";
import { shipmentData } from "./store/personal-data.ts";
import type { Tables } from "./store/shipments.ts";

const carrierMs = { fallback: 5_000, min: 0, max: 30 * 24 * 60 * 60 * 1_000 };

function countrySetting(env: Environment): string {
  const code = textSetting(env, "ORDERMESH_SHOP_COUNTRY", "DE");
  if (/^[A-Z]{2}$/.test(code)) return code;
  throw new StartupError(`ORDERMESH_SHOP_COUNTRY is "${code}"; set it to a code of ISO 3166-1 such as DE.`);
}

export const shipping: ServiceDefinition<Tables> = {
  name: "shipping",
  services: [ShippingService, ShippingAuditService],
  emits: [file_ordermesh_shipping_events_v1_shipping_events],
  migrations: new URL("migrations/", import.meta.url),
  create: (runtime) => {
    const shopCountryCode = countrySetting(runtime.env);
    const carrier = sandboxCarrier({
      dispatchMs: numberSetting(runtime.env, "ORDERMESH_CARRIER_DISPATCH_MS", carrierMs),
      deliverMs: numberSetting(runtime.env, "ORDERMESH_CARRIER_DELIVER_MS", carrierMs),
    });
    return {
      routes: (router) => {
        router.service(ShippingService, shippingMethods(runtime, { shopCountryCode }));
        router.service(ShippingAuditService, auditMethods(runtime));
      },
      hears: shippingHears(runtime, carrier),
      dueWork: shippingDueWork(runtime, carrier),
      personalData: shipmentData(runtime.db),
    };
  },
};
