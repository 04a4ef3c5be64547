// All SQL is written out, so the query builder needs to know no tables.
export type NotificationsTables = Record<string, never>;

export interface CustomerKey {
  tenant: string;
  customerId: string;
}

export interface OrderKey {
  tenant: string;
  orderId: string;
}
