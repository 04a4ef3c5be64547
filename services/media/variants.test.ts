// Which sizes and types of a picture there are, and which of them is answered.
import { describe, expect, test } from "vitest";
import { bestType } from "./domain/accept.ts";
import { nearestSize, variantSizes } from "./domain/variants.ts";

/** What browsers send for a picture, and what others do. */
const chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const safari = "image/webp,image/avif,image/jxl,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5";
const olderBrowser = "image/webp,image/png,image/*;q=0.8,*/*;q=0.5";

test.each([
  ["nothing said", null, "jpeg"],
  ["an empty header", "", "jpeg"],
  ["a browser that shows AVIF", chrome, "avif"],
  ["another, which writes them the other way round", safari, "avif"],
  ["one that shows WebP", olderBrowser, "webp"],
  ["whatever there is", "*/*", "jpeg"],
  ["whatever picture there is", "image/*", "jpeg"],
  ["a page, which is no picture", "text/html,application/xhtml+xml", "jpeg"],
  ["other pictures", "image/png, image/gif", "jpeg"],
  ["AVIF alone", "image/avif", "avif"],
  ["JPEG alone", "image/jpeg", "jpeg"],
  ["upper case and spaces", " Image/AVIF ;Q=0.5 , image/WebP ; q=0.4 ", "avif"],
  ["JPEG before the others", "image/avif;q=0.5, image/webp;q=0.7, image/jpeg;q=0.9", "jpeg"],
  ["WebP before AVIF", "image/avif;q=0.8, image/webp;q=0.9", "webp"],
  ["AVIF and WebP alike", "image/webp;q=0.9, image/avif;q=0.9, */*;q=0.1", "avif"],
  ["no AVIF", "image/avif;q=0, image/webp, */*", "webp"],
  ["anything but AVIF", "image/avif;q=0, */*", "jpeg"],
  ["anything but JPEG", "image/jpeg;q=0, */*", "webp"],
  ["anything but JPEG and WebP", "image/jpeg;q=0, image/webp;q=0.000, image/*;q=0.2", "avif"],
  ["none of them", "*/*;q=0", "jpeg"],
  ["the narrower range counts: no picture, but anything else", "image/*;q=0, */*;q=1, image/webp;q=0.1", "webp"],
  ["the name counts more than the range, also where it says less", "image/webp;q=0.2, image/*;q=0.5", "jpeg"],
  ["what is named before what is in a range", "image/webp;q=0.5, image/*;q=0.5", "webp"],
  ["twice: the higher", "image/avif;q=0, image/avif;q=0.4, image/jpeg;q=0.1", "avif"],
  ["a weight that is none passes over its range", "image/avif;q=2, image/webp;q=0.1234, image/jpeg;q=0.1", "jpeg"],
  ["so does a form that we do not have", "image/avif;level=1, image/webp;q=0.1", "webp"],
  ["what older senders write behind a weight", "image/avif;q=0.9;ext=1, image/webp;q=0.5", "avif"],
  ["commas and semicolons alone", ",;,;q=1,", "jpeg"],
])("%s", (_, accept, type) => {
  expect(bestType(accept)).toBe(`image/${type}`);
});

describe("sizes", () => {
  test.each([
    [4_000, 3_000, [160, 480, 1_200]],
    [1_000, 1_201, [160, 480, 1_200]],
    [1_200, 10, [160, 480, 1_200]],
    [640, 480, [160, 480, 640]],
    [480, 480, [160, 480]],
    [100, 161, [160, 161]],
    [7, 9, [9]],
  ])("of %d x %d pixels", (width, height, sizes) => {
    expect(variantSizes({ width, height })).toEqual(sizes);
  });

  test.each([
    [1, 160],
    [160, 160],
    [161, 480],
    [480, 480],
    [700, 1_200],
    [9_999, 1_200],
  ])("for %d pixels", (wanted, size) => {
    expect(nearestSize([160, 480, 1_200], wanted)).toBe(size);
  });

  test("of a picture that has none", () => {
    expect(nearestSize([], 480)).toBeUndefined();
  });
});
