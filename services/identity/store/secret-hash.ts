// Secrets that we make: 256 bits by chance, stored as their SHA-256. Nobody finds them by trying, so a slow hash, which is for
// what people choose, would only cost time; and what is found by its hash is compared in no way that time could tell of.
import { createHash, randomBytes } from "node:crypto";

/** The prefix tells people and secret scanners what they have found. */
const newSecret = (prefix: string): string => `${prefix}_${randomBytes(32).toString("base64url")}`;

export const newClientSecret = (): string => newSecret("oms");
export const newRefreshToken = (): string => newSecret("omr");
export const newStreamTicket = (): string => newSecret("omt");

export const hashSecret = (secret: string): Buffer => createHash("sha256").update(secret).digest();
