// What is done from time to time: keys are rotated and removed, and rows that have ended too.

export const careEveryMs = 600_000;

/** Rows that one round removes of each table; the next comes at once where there are more. */
export const careRowsMax = 1_000;

/** One for all tenants: keys belong to none. */
export const careItem = { kind: "identity.care", tenant: "all", key: "care" } as const;
