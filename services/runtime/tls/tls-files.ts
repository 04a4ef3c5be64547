// The certificates of this process, read again when their files change: they are replaced without a restart.
import { isDeepStrictEqual } from "node:util";
import { errorReason } from "../backing/error-details.ts";
import { StartupError } from "../backing/startup-error.ts";
import type { Logger } from "../log.ts";
import { checkTlsFiles, readTlsFiles, TlsFileProblem, type TlsMaterial } from "./material.ts";
import type { TlsSettings } from "./settings.ts";

export interface TlsFiles {
  settings: TlsSettings;
  current(): TlsMaterial;
  /** Calls back with what has replaced the current material. */
  onChange(listener: (material: TlsMaterial) => void): void;
  close(): void;
}

/**
 * Reads the files, and looks at them from then on. New ones that cannot be used leave the old ones in place, with a warning.
 * The files are compared by content: watching folders does not see the links that orchestrators swap.
 *
 * @throws StartupError where they cannot be used at the start.
 */
export async function openTlsFiles(settings: TlsSettings, log: Logger): Promise<TlsFiles> {
  const read = async (): Promise<TlsMaterial> => checkTlsFiles(await readTlsFiles(settings), settings, new Date());
  let current = await read().catch((error: unknown) => {
    if (!(error instanceof TlsFileProblem)) throw error;
    throw new StartupError(`TLS cannot start: ${error.message}. Correct the file, or the setting that names it.`);
  });
  const listeners: ((material: TlsMaterial) => void)[] = [];
  /** Told once, not at every look. */
  let complaint = "";

  const look = async (): Promise<void> => {
    try {
      const files = await readTlsFiles(settings);
      if (isDeepStrictEqual(files, current.files)) return;
      current = checkTlsFiles(files, settings, new Date());
      for (const listener of listeners) listener(current);
      complaint = "";
      log.info({ port: settings.port, validTo: current.validTo }, "tls_files_read");
    } catch (error) {
      const reason = errorReason(error);
      if (reason === complaint) return;
      complaint = reason;
      const remedy = "the files before are still in use: put a certificate, its key and the CA in place";
      log.warn({ port: settings.port, reason, remedy }, "tls_files_refused");
    }
  };
  const looking = setInterval(() => void look(), settings.checkMs);
  looking.unref();
  return {
    settings,
    current: () => current,
    onChange: (listener) => void listeners.push(listener),
    close: () => clearInterval(looking),
  };
}
