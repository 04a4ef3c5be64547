/** The system's or server's code of an error, as in "ENOENT"; undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** One line that says what went wrong. */
export function errorReason(error: unknown): string {
  // A host with several addresses fails once for each; one of them tells enough.
  if (error instanceof AggregateError && error.errors.length > 0) return errorReason(error.errors[0]);
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n")[0] || errorCode(error) || "no reason given";
}
