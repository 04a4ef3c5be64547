// Catalog: products and what they cost.
import { file_ordermesh_catalog_events_v1_catalog_events } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { catalogHears } from "./consumers.ts";
import { catalogRoutes } from "./rpc/routes.ts";
import { taxRatesMethods } from "./rpc/tax-rates.ts";
import type { CatalogTables } from "./store/tables.ts";

export const catalog: ServiceDefinition<CatalogTables> = {
  name: "catalog",
  services: [CatalogService, TaxRatesService],
  emits: [file_ordermesh_catalog_events_v1_catalog_events],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => {
    const ofProducts = catalogRoutes(runtime);
    return {
      routes: (router) => {
        ofProducts(router);
        router.service(TaxRatesService, taxRatesMethods(runtime));
      },
      hears: catalogHears(),
    };
  },
};
