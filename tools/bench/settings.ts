// Settings of the measured mesh, and of the load on it.

/** Orders are measured until they are ready: no parcel leaves while a benchmark runs, and no order's time ends. */
export const unhurried = {
  ORDERMESH_SEED: "none",
  ORDERMESH_CARRIER_DISPATCH_MS: "3600000",
  ORDERMESH_ORDER_LIFE_SECONDS: "3600",
} as const;

/** For what is measured beyond the point at which a process refuses calls: how that is done has a group of its own. */
export const unbounded = {
  ORDERMESH_CALL_TARGET_MS: "30000",
  ORDERMESH_BACKLOG_MS_MAX: "600000",
} as const;

/** Callers who each wait for their answer, as many as the limit has clients at full load. */
export const callers = 64;
/** Orders on their way; beyond it callers wait, so that the consumers keep up with what is accepted. */
export const underWayMax = 400;
/** Until connections are open and code is compiled. */
export const warmUpSeconds = 4;
