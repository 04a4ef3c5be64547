// Names and times that letters are kept by.

/** Who acts where no person does. */
export const byItself = "ordermesh";
/** The name under which unsent events stand, which no consumer has ever had. */
export const relayConsumer = "relay";

/** Codes of letters that wait for another letter of their key, and fail by nothing of their own. */
export const waitingCodes = ["KEY_PARKED", "REDRIVE_TOO_EARLY"] as const;

const checkDelayMsMin = 100;
const checkDelayMsMax = 10_000;

/** How long to wait before asking once more what became of a letter: 0.1 s, 0.2 s and so on, up to 10 s. */
export const checkDelayMs = (checks: number): number => Math.min(checkDelayMsMin * 2 ** Math.min(checks, 10), checkDelayMsMax);
