// Which bytes of a file are asked for: RFC 9110, section 14.1.2, in the words of a request.

export interface Range {
  start: number;
  /** The first byte behind it. */
  end: number;
}

/**
 * @param offset The first byte; below zero so many before the end.
 * @param limit How many at most; 0 for all.
 * @returns undefined where the file has no byte there.
 */
export function rangeOf(size: number, { offset, limit }: { offset: number; limit: number }): Range | undefined {
  const start = offset < 0 ? Math.max(0, size + offset) : offset;
  if (start >= size && !(size === 0 && offset === 0)) return undefined;
  return { start, end: limit === 0 ? size : Math.min(size, start + limit) };
}
