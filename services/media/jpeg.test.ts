// What is a whole JPEG and nothing else, said before anything is decoded: whatever the pieces are in which it comes.
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { lookAtJpeg, type JpegProblem } from "./domain/jpeg.ts";
import { imageName, parseImageName, productImageName, thumbnailName, variantName } from "./domain/names.ts";
import { rangeOf } from "./domain/range.ts";
import { pictureTypes } from "./domain/variants.ts";
import { jpeg } from "./media.fixture.ts";

const pixelsMax = 1_000_000;

function look(bytes: Uint8Array, size: number): JpegProblem | undefined {
  const looking = lookAtJpeg({ pixelsMax });
  for (let start = 0; start < bytes.length; start += size) {
    const problem = looking.write(bytes.subarray(start, start + size));
    if (problem) return problem;
  }
  return looking.end();
}

const noise = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "#000", noise: { type: "gaussian", mean: 128, sigma: 60 } } });

/** Start, a frame of so many pixels, a scan of one byte, end. */
const bare = (width: number, height: number): Buffer =>
  Buffer.concat([
    Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0]),
    Buffer.from([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0xff, 0xd9]),
  ]);

let whole: Buffer;
beforeAll(async () => {
  whole = await noise(200, 150).jpeg().toBuffer();
});

describe.each([1, 7, 65_536])("in pieces of %d bytes", (size) => {
  test("what sharp and libjpeg write is one", async () => {
    const kinds = [
      noise(90, 70).jpeg({ progressive: true }),
      noise(90, 70).jpeg({ mozjpeg: true }),
      noise(90, 70).greyscale().jpeg(),
      noise(90, 70).toColourspace("cmyk").jpeg(),
      noise(90, 70)
        .withExif({ IFD0: { Copyright: "Ada" } })
        .jpeg(),
    ];
    for (const kind of kinds) expect(look(await kind.toBuffer(), size)).toBeUndefined();
    expect(look(whole, size)).toBeUndefined();
    expect(look(bare(1_000, 1_000), size)).toBeUndefined();
  });

  test("none of its beginnings is one", () => {
    expect(look(whole.subarray(0, 0), size)).toBe("EMPTY");
    for (let end = 1; end < whole.length; end += size === 1 ? 997 : 101)
      expect(look(whole.subarray(0, end), size)).toBe("TRUNCATED");
    expect(look(whole.subarray(0, -1), size)).toBe("TRUNCATED");
  });

  test("and one with something behind it is none", () => {
    for (const tail of ["\0", "PK\u0003\u0004", "<script>", "\u00ff\u00d8"]) {
      expect(look(Buffer.concat([whole, Buffer.from(tail, "latin1")]), size)).toBe("TRAILING_DATA");
    }
    expect(look(Buffer.concat([whole, whole]), size)).toBe("TRAILING_DATA");
  });

  test.each([
    ["PNG", Buffer.from("89504e470d0a1a0a", "hex"), "NOT_JPEG"],
    ["a script", Buffer.from("#!/bin/sh"), "NOT_JPEG"],
    ["only the first byte right", Buffer.from([0xff, 0x00]), "NOT_JPEG"],
    ["too many pixels", bare(1_001, 1_000), "TOO_MANY_PIXELS"],
    ["30,000 by 30,000", bare(30_000, 30_000), "TOO_MANY_PIXELS"],
    ["no height", bare(10, 0), "MALFORMED"],
    ["a scan before its frame", Buffer.from([0xff, 0xd8, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x55]), "MALFORMED"],
    ["an end without an image", Buffer.from([0xff, 0xd8, 0xff, 0xd9]), "MALFORMED"],
    ["a second start", Buffer.from([0xff, 0xd8, 0xff, 0xd8]), "MALFORMED"],
    ["no marker behind a segment", Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, 2, 0x00]), "MALFORMED"],
    ["a length of less than itself", Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, 1]), "MALFORMED"],
    ["a frame without a size", Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 4, 8, 1]), "MALFORMED"],
  ] as const)("%s is refused", (_, bytes, problem) => {
    expect(look(bytes, size)).toBe(problem);
  });
});

test("an image of one colour is told in full", async () => {
  expect(look(await jpeg(10, 10), 3)).toBeUndefined();
});

test("names of files say whose they are", () => {
  const key = { tenant: "demo", userId: "ada", contentHash: "ab".repeat(32) };
  expect(imageName(key)).toBe(`demo/users/ada/${key.contentHash}.jpg`);
  const ofAda = { tenant: "demo", kind: "users", id: "ada", contentHash: key.contentHash };
  expect([parseImageName(imageName(key)), parseImageName(thumbnailName(key))]).toEqual([ofAda, ofAda]);
  const product = { tenant: "demo", productId: "prod_1", contentHash: key.contentHash };
  for (const name of [productImageName(product), ...pictureTypes.map((type) => variantName(product, { size: 480, type }))])
    expect(parseImageName(name)).toEqual({ ...ofAda, kind: "products", id: "prod_1" });
  const none = ["", "a/users/b/c.jpg", `demo/users/../${key.contentHash}.jpg`, `demo/orders/ada/${key.contentHash}.jpg`];
  for (const name of none) expect(parseImageName(name)).toBeUndefined();
});

test.each([
  [0, 0, { start: 0, end: 10 }],
  [0, 4, { start: 0, end: 4 }],
  [3, 0, { start: 3, end: 10 }],
  [9, 5, { start: 9, end: 10 }],
  [-3, 0, { start: 7, end: 10 }],
  [-30, 0, { start: 0, end: 10 }],
  [10, 0, undefined],
  [99, 1, undefined],
])("of ten bytes from %d, %d at most", (offset, limit, range) => {
  expect(rangeOf(10, { offset, limit })).toEqual(range);
});
