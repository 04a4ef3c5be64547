// Which consumers are compared with one reading of the stream.

/** Who is further behind than that is read for by itself, so that it does not make the others be read again. Messages. */
const nearMax = 10_000;

/** Groups what is near enough, those that are furthest behind first. */
export function groupNear<Behind extends { cursor: number }>(behind: readonly Behind[]): Behind[][] {
  const groups: Behind[][] = [];
  for (const one of behind.toSorted((left, right) => left.cursor - right.cursor)) {
    const group = groups.at(-1);
    if (group?.[0] && one.cursor - group[0].cursor <= nearMax) group.push(one);
    else groups.push([one]);
  }
  return groups;
}
