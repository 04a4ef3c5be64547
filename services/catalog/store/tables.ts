// The tables of the catalogue, as they are read and written.
import type { ProductImage } from "../domain.ts";

export interface CatalogTables {
  product: {
    tenant_id: string;
    product_id: string;
    title: string;
    description: string;
    create_time: Date;
    image: ProductImage | null;
  };
  variant: {
    tenant_id: string;
    sku: string;
    product_id: string;
    position: number;
    title: string;
    weight_grams: number;
    tax_class: string;
  };
  price: { tenant_id: string; sku: string; currency_code: string; minor_units: number };
  tax_rate: {
    tenant_id: string;
    country_code: string;
    region: string;
    tax_class: string;
    rate: number;
    prices_include: boolean;
    name: string;
  };
  create_request: { tenant_id: string; request_id: string; content_hash: Buffer; product_id: string };
}
