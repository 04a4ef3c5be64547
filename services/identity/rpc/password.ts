// Passwords by scrypt (RFC 7914), as OWASP's Password Storage Cheat Sheet has it. One computation takes 16 MiB and some tenths of a
// second on a thread of libuv's pool, which the file system uses too: so two at a time, and a few that wait.
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { normalPassword } from "../domain/account.ts";
import { signInsBusy } from "./refusals.ts";

/**
 * N = 2^14, r = 8, p = 5: of the settings that OWASP holds for equal, one that leaves memory to others. Kept with each hash, so that
 * it can be raised for those to come.
 */
const current = { ln: 14, r: 8, p: 5 };
const hashBytes = 32;
const saltBytes = 16;
const memoryBytesMax = 512 * 1024 * 1024;

const atOnceMax = 2;
/** Computing or waiting. Whoever comes last waits a few seconds, within the deadline of a call. */
const placesMax = 8;
const retryMsMin = 1_000;
const retryMsSpan = 1_000;

export interface Passwords {
  /** Runs work that will need a hash, or refuses with SIGN_INS_BUSY before anything is done. */
  withPlace<Result>(work: () => Promise<Result>): Promise<Result>;
  /** In PHC string format, such as $scrypt$ln=14,r=8,p=5$salt$hash. */
  hash(password: string): Promise<string>;
  /** Whether it is the password of the hash. Without one it takes as long, and is not. */
  check(password: string, hash: string | undefined): Promise<boolean>;
}

export function createPasswords(): Passwords {
  let places = 0;
  let computing = 0;
  const waiting: (() => void)[] = [];
  const compute = async (password: string, salt: Buffer, cost: typeof current): Promise<Buffer> => {
    if (computing >= atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else computing += 1;
    try {
      return await derive(password, salt, cost);
    } finally {
      // A turn that is handed on is not given back.
      const next = waiting.shift();
      if (next) next();
      else computing -= 1;
    }
  };
  return {
    withPlace: async (work) => {
      if (places >= placesMax) throw signInsBusy(retryMsMin + Math.random() * retryMsSpan);
      places += 1;
      try {
        return await work();
      } finally {
        places -= 1;
      }
    },
    hash: async (password) => {
      const salt = randomBytes(saltBytes);
      const { ln, r, p } = current;
      return `$scrypt$ln=${ln},r=${r},p=${p}$${encode(salt)}$${encode(await compute(password, salt, current))}`;
    },
    check: async (password, hash) => {
      if (hash === undefined) {
        await compute(password, randomBytes(saltBytes), current);
        return false;
      }
      const { cost, salt, derived } = parseHash(hash);
      return timingSafeEqual(await compute(password, salt, cost), derived);
    },
  };
}

const encode = (bytes: Buffer): string => bytes.toString("base64").replaceAll("=", "");

function parseHash(hash: string): { cost: typeof current; salt: Buffer; derived: Buffer } {
  const [, ln, r, p, salt = "", derived = ""] = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(hash) ?? [];
  if (derived === "") throw new Error("a stored password is in no known format");
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  return { cost, salt: Buffer.from(salt, "base64"), derived: Buffer.from(derived, "base64") };
}

function derive(password: string, salt: Buffer, { ln, r, p }: typeof current): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: memoryBytesMax };
  return new Promise((resolve, reject) => {
    scrypt(normalPassword(password), salt, hashBytes, options, (error, derived) => (error ? reject(error) : resolve(derived)));
  });
}
