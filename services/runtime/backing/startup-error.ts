/** A start that cannot succeed as configured. The message is one sentence for the operator, remedy included; no stack is worth printing. */
export class StartupError extends Error {
  override readonly name = "StartupError";
}
