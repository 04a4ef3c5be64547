// Percent decoding, done once and after routing, so that an encoded slash never moves the bounds of a segment.

/** Decodes every %XX; undefined where one is malformed or the bytes are no UTF-8. */
export function decodeSegment(raw: string): string | undefined {
  if (!raw.includes("%")) return raw;
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

/** Decodes all but %2F, which stays as it came. */
export function decodeSegments(raw: string): string | undefined {
  if (!raw.includes("%")) return raw;
  let decoded = "";
  let start = 0;
  for (const slash of raw.matchAll(/%2f/gi)) {
    const part = decodeSegment(raw.slice(start, slash.index));
    if (part === undefined) return undefined;
    decoded += part + slash[0];
    start = slash.index + slash[0].length;
  }
  const last = decodeSegment(raw.slice(start));
  return last === undefined ? undefined : decoded + last;
}

/** A name or a value of a query, where "+" is a space. */
export function decodeQuery(raw: string): string | undefined {
  return decodeSegment(raw.includes("+") ? raw.replaceAll("+", " ") : raw);
}
