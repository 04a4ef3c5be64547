// The check digit of GS1's numbers (GS1 General Specifications, section 7.9).

/** GS1's: from the right the digits weigh 3, 1, 3 and so on; the check digit fills the sum up to a multiple of ten. */
export function checkDigit(digits: string): string {
  const sum = digits
    .split("")
    .toReversed()
    .reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0);
  return String((10 - (sum % 10)) % 10);
}
