// Where files are kept. Two stores fit: a folder, and whatever speaks S3.
import type { Range } from "../domain/range.ts";

export interface StoredFile {
  /** Bytes of the whole file. */
  size: number;
  /** When it was put there last. */
  time: Date;
  /** Bytes of the range; must be read to its end or left early. */
  chunks(range: Range): AsyncIterable<Uint8Array>;
}

export interface FileStore {
  /** Takes a whole file from the spool and gives it a name: then it is there for good, and before not at all. Again is harmless. */
  put(name: string, spooledPath: string): Promise<void>;
  /** Undefined where there is none. */
  open(name: string): Promise<StoredFile | undefined>;
  /**
   * Works with a file by a path on this machine, where it may be read and never written: its own, or that of a copy in the spool.
   *
   * @throws where there is none.
   */
  withPath(name: string, work: (path: string) => Promise<void>): Promise<void>;
  /** Those that are not there are gone already. */
  remove(names: readonly string[]): Promise<void>;
  /** Names that begin so, with the time of each, in any order. */
  list(prefix: string): AsyncIterable<{ name: string; time: Date }>;
}
