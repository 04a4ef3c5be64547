// Headers that say who asks and at which host. Given twice, a proxy in front may have looked at the one and we look at the other.
const once = new Set(["authorization", "host"]);

/**
 * The name of one that is there twice (RFC 9110, 5.3); undefined where none is.
 *
 * @param rawHeaders Names and values in turn, as they came.
 */
export function doubledHeader(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (!once.has(name)) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}
