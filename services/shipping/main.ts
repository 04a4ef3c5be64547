// Shipping: makes the parcel of an order that is ready, has it booked, moves it, or keeps it from leaving.
import { file_ordermesh_shipping_events_v1_shipping_events } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { BookingsService } from "#gen/ordermesh/shipping/v1/bookings_service_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { ParcelsService } from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import { PicksService } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { RatesService } from "#gen/ordermesh/shipping/v1/rates_service_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { ShippingWebhookService } from "#gen/ordermesh/shipping/v1/shipping_webhook_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { waveMs } from "#runtime/waves.ts";
import { countrySetting } from "#runtime/settings.ts";
import { createCarriers } from "./carrier/carriers.ts";
import { readCarrierSettings, readSenders } from "./carrier/settings.ts";
import { shippingHears } from "./consumers.ts";
import { shippingDueWork } from "./due/work.ts";
import { auditMethods } from "./rpc/audit.ts";
import { bookingsMethods } from "./rpc/bookings.ts";
import { shippingMethods } from "./rpc/methods.ts";
import { parcelHoldsMethods } from "./rpc/parcel-holds.ts";
import { parcelsMethods } from "./rpc/parcels.ts";
import { picksMethods } from "./rpc/picks.ts";
import { ratesMethods } from "./rpc/rates.ts";
import { receiveCarrierMessage } from "./rpc/webhook.ts";
import { shipmentHistory } from "./store/history.ts";
import { shipmentData } from "./store/personal-data.ts";
import type { Tables } from "./store/shipments.ts";

export const shipping: ServiceDefinition<Tables> = {
  name: "shipping",
  services: [
    ShippingService,
    RatesService,
    PicksService,
    ParcelsService,
    BookingsService,
    ParcelHoldsService,
    ShippingAuditService,
    ShippingWebhookService,
  ],
  emits: [file_ordermesh_shipping_events_v1_shipping_events],
  migrations: new URL("migrations/", import.meta.url),
  create: (runtime) => {
    const shopCountryCode = countrySetting(runtime.env, "ORDERMESH_SHOP_COUNTRY", "DE");
    const shipFrom = readSenders(runtime.env, shopCountryCode);
    const carriers = createCarriers(readCarrierSettings(runtime.env));
    return {
      routes: (router) => {
        router.service(ShippingService, shippingMethods(runtime, { shopCountryCode, shipFrom }));
        router.service(RatesService, ratesMethods(runtime, shopCountryCode));
        router.service(PicksService, picksMethods(runtime));
        router.service(ParcelsService, parcelsMethods(runtime, carriers));
        router.service(BookingsService, bookingsMethods(runtime, carriers));
        router.service(ParcelHoldsService, parcelHoldsMethods(runtime));
        router.service(ShippingWebhookService, { receiveCarrierMessage: receiveCarrierMessage(runtime, carriers) });
        router.service(ShippingAuditService, auditMethods(runtime, carriers));
      },
      hears: shippingHears(runtime, carriers),
      gatherEventsMs: waveMs,
      dueWork: shippingDueWork(runtime, carriers, shipFrom),
      personalData: shipmentData(runtime.db),
      history: shipmentHistory(runtime.db),
    };
  },
};
