// Settings of the measured mesh.

/** Orders are measured until they are ready: no parcel leaves while a benchmark runs, and no order's time ends. */
export const unhurried = {
  ORDERMESH_SEED: "none",
  ORDERMESH_CARRIER_DISPATCH_MS: "3600000",
  ORDERMESH_ORDER_LIFE_SECONDS: "3600",
} as const;
