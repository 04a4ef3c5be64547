import { expect, test } from "vitest";
import { createCarriers } from "./carriers.ts";
import { checkDigit } from "./check-digit.ts";

const carrier = createCarriers({
  byMethod: { STANDARD: "sandbox", EXPRESS: "external" },
  pace: { dispatchMs: 5_000, deliverMs: 7_000 },
  secrets: new Map(),
  desks: new Map(),
}).forMethod("STANDARD");

test.each([
  // The example of the GS1 General Specifications, and numbers worked out by hand.
  { digits: "37610425002123456", want: "9" },
  { digits: "00000000000000000", want: "0" },
  { digits: "00000000000000001", want: "7" },
  { digits: "00000000000000010", want: "9" },
])("the check digit of $digits is $want", ({ digits, want }) => {
  expect(checkDigit(digits)).toBe(want);
});

test("a shipment always has the same tracking number, 18 digits with a check digit, and another shipment another", () => {
  const number = carrier.trackingNumber("shp_01h455vb4pex5vsknk084sn02q");
  expect(number).toMatch(/^[0-9]{18}$/);
  expect(number.slice(-1)).toBe(checkDigit(number.slice(0, -1)));
  expect(carrier.trackingNumber("shp_01h455vb4pex5vsknk084sn02q")).toBe(number);
  const numbers = Array.from({ length: 10_000 }, (_, index) => carrier.trackingNumber(`shp_${index}`));
  expect(new Set(numbers).size).toBe(10_000);
});
