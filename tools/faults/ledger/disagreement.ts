// Where the books and the ledger of what was asked do not agree.
export interface Disagreement {
  /** A fixed name, such as "stock_on_hand". */
  rule: string;
  /** What it is about: an order, a key, a SKU, an event. */
  subject: string;
  message: string;
}

/** What a check has looked at, and what it did not like. */
export interface Findings {
  checked: number;
  disagreements: Disagreement[];
}

export function findings<Row>(rows: Iterable<Row>, judge: (row: Row) => (Disagreement | undefined)[]): Findings {
  let checked = 0;
  const disagreements: Disagreement[] = [];
  for (const row of rows) {
    checked += 1;
    disagreements.push(...judge(row).filter((found) => found !== undefined));
  }
  return { checked, disagreements };
}

interface Compared {
  rule: string;
  subject: string;
  what: string;
}

/** Undefined where the two differ by so much at most. */
export function unlessNear(
  is: Compared,
  found: number,
  { expected, by }: { expected: number; by: number },
): Disagreement | undefined {
  return Math.abs(found - expected) <= by ? undefined : unlessEqual(is, found, expected);
}

/** Undefined where the two are the same. */
export function unlessEqual(is: Compared, found: string | number, expected: string | number): Disagreement | undefined {
  const { rule, subject, what } = is;
  return found === expected ? undefined : { rule, subject, message: `${what} is ${found}, and should be ${expected}` };
}
