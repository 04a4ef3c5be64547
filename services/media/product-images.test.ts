// Images of products: what is stored, in which sizes and types they are there, and which of them is answered.
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { sql } from "kysely";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ProductImageReadySchema, ProductImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { ProductImagesService } from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { bytesOf, jpeg, mediaFixture, unknownProduct, uploadProduct, type MediaFixture } from "./media.fixture.ts";
import { openMedia } from "./provider/settings.ts";
import { sweep } from "./tasks/sweep.ts";

let fixture: MediaFixture;
beforeAll(async () => {
  fixture = await mediaFixture({ ORDERMESH_IMAGE_BYTES_MAX: "400000" });
});
afterEach(async () => {
  await sql`truncate product_image, outbox`.execute(fixture.runtime.db);
  const { store } = openMedia(fixture.runtime.env);
  for await (const { name } of store.list("")) await store.remove([name]);
});
afterAll(() => fixture.close());

const productId = "prod_1";
const refused = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "taken",
    (error: unknown) => `${Code[ConnectError.from(error).code]} ${reasonOf(error)}`,
  );
const uploaded = (contentHash: string) => fixture.deliver(ProductImageUploadedSchema, { productId, contentHash });

/** What is answered: its type by what it holds, its longer side, its entity tag. */
async function shown(size: number, accept = "image/avif,image/webp"): Promise<string> {
  let etag = "";
  let contentType = "";
  const chunks: Uint8Array[] = [];
  for await (const part of fixture.products.getProductImage({ productId, size }, { headers: { accept } })) {
    etag ||= part.etag;
    contentType ||= part.content?.contentType ?? "";
    if (part.content) chunks.push(part.content.data);
  }
  const { format, width, height, compression } = await sharp(Buffer.concat(chunks)).metadata();
  expect(contentType).toBe(`image/${format === "heif" ? compression?.replace("av1", "avif") : format}`);
  return `${contentType} ${Math.max(width, height)} ${etag}`;
}

test("an image is stored once, in several sizes and types, and told of twice", async () => {
  const bytes = await jpeg(640, 320);
  const images = await Promise.all(Array.from({ length: 3 }, () => uploadProduct(fixture.products, productId, bytes)));
  const [image] = images;
  const contentHash = image?.contentHash ?? "";
  expect(image).toMatchObject({ productId, width: 640, height: 320, sizes: [], imagePath: "/v1/products/prod_1/image" });
  expect(images).toEqual([image, image, image]);
  // Until the sizes are there it is the whole that is shown.
  expect(await shown(160)).toBe(`image/jpeg 640 "${contentHash}"`);
  await uploaded(contentHash);
  await uploaded(contentHash);
  expect(await uploadProduct(fixture.products, productId, bytes)).toEqual({ ...image, sizes: [160, 480, 640] });
  const made = ["", ...[160, 480, 640].flatMap((size) => ["avif", "jpg", "webp"].map((ending) => `-${size}.${ending}`))];
  const ending = (suffix: string): string => (suffix === "" ? ".jpg" : suffix);
  expect(await fixture.files()).toEqual(
    made.map((suffix) => `files/demo/products/prod_1/${contentHash}${ending(suffix)}`).toSorted(),
  );
  expect(await fixture.sent()).toMatchObject([
    { typeName: ProductImageUploadedSchema.typeName, key: productId, sequence: 1, message: { contentHash, width: 640 } },
    {
      typeName: ProductImageReadySchema.typeName,
      key: productId,
      sequence: 2,
      message: { contentHash, imagePath: "/v1/products/prod_1/image", width: 640, height: 320, sizes: [160, 480, 640] },
    },
  ]);
  expect(await shown(0)).toBe(`image/jpeg 640 "${contentHash}"`);
  expect(await shown(100)).toBe(`image/avif 160 "${contentHash}-160-avif"`);
  expect(await shown(161, "image/webp")).toBe(`image/webp 480 "${contentHash}-480-webp"`);
  expect(await shown(5_000, "*/*")).toBe(`image/jpeg 640 "${contentHash}-640-jpeg"`);
});

test("what is made shows the picture, in fewer bytes", async () => {
  const raw = await sharp({ create: { width: 900, height: 600, channels: 3, background: "#228833" } })
    .composite([{ input: Buffer.from('<svg width="300" height="300"><circle cx="150" cy="150" r="140" fill="#fff"/></svg>') }])
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  const { contentHash } = await uploadProduct(fixture.products, productId, raw);
  await uploaded(contentHash);
  for (const type of ["image/avif", "image/webp", "image/jpeg"]) {
    const bytes = await bytesOf(fixture.products.getProductImage({ productId, size: 480 }, { headers: { accept: type } }));
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, bytes.length < 20_000]).toEqual([320, 480, true]);
    const pixel = 3 * (300 * 320 + 20);
    for (const [index, wanted] of [0x22, 0x88, 0x33].entries())
      expect(Math.abs((data[pixel + index] ?? 0) - wanted)).toBeLessThan(8);
  }
});

test("an image that was replaced meanwhile is neither made nor told of, and goes with the sweep", async () => {
  const old = await uploadProduct(fixture.products, productId, await jpeg(200, 200));
  const { contentHash } = await uploadProduct(fixture.products, productId, await jpeg(200, 200, "#ff0000"));
  await uploaded(old.contentHash);
  expect((await fixture.files()).length).toBe(2);
  await uploaded(contentHash);
  const sequences = (await fixture.sent()).map(({ sequence, message }) => [sequence, message["contentHash"]]);
  expect(sequences).toEqual([
    [1, old.contentHash],
    [2, contentHash],
    [3, contentHash],
  ]);
  for (const name of await fixture.files()) await utimes(join(fixture.folder, name), 0, 0);
  await sweep(fixture.runtime, openMedia(fixture.runtime.env));
  expect((await fixture.files()).every((name) => name.includes(contentHash))).toBe(true);
  expect((await fixture.files()).length).toBe(7);
});

test("an image that came back while its sizes were looked for is not told of before it has them", async () => {
  const [first, second] = [await jpeg(90, 90), await jpeg(90, 90, "#ff0000")];
  const { contentHash } = await uploadProduct(fixture.products, productId, first);
  await uploadProduct(fixture.products, productId, second);
  const [hearing] = fixture.parts.hears?.filter(({ name }) => name === "media.product_sizes") ?? [];
  const prepare = hearing?.prepare?.bind(hearing);
  if (!hearing || !prepare) throw new Error("nobody makes the sizes");
  hearing.prepare = async (events) => {
    await prepare(events);
    await uploadProduct(fixture.products, productId, first);
  };
  await uploaded(contentHash);
  hearing.prepare = prepare;
  expect((await fixture.sent()).filter(({ typeName }) => typeName.endsWith("Ready"))).toEqual([]);
  await uploaded(contentHash);
  expect(await shown(90)).toBe(`image/avif 90 "${contentHash}-90-avif"`);
});

test("a try that ended in the middle is gone on with, and one whose image cannot be read fails and becomes a letter", async () => {
  const { contentHash } = await uploadProduct(fixture.products, productId, await jpeg(200, 100));
  const file = (suffix: string): string => join(fixture.folder, `files/demo/products/prod_1/${contentHash}${suffix}`);
  await writeFile(file("-160.avif"), "made before");
  await uploaded(contentHash);
  expect(await readFile(file("-160.avif"), "utf8")).toBe("made before");
  const { contentHash: damaged } = await uploadProduct(fixture.products, productId, await jpeg(210, 100));
  await writeFile(file(".jpg").replace(contentHash, damaged), "no image");
  await expect(uploaded(damaged)).rejects.toThrow(/unsupported image format/);
});

test("what is no image, or of no product, is refused, and nothing is stored", async () => {
  const image = await jpeg(9, 9);
  const sending = (id: string, bytes: Uint8Array) => refused(uploadProduct(fixture.products, id, bytes));
  expect(await sending(productId, Buffer.alloc(0))).toBe("InvalidArgument IMAGE_EMPTY");
  expect(await sending(productId, image.subarray(0, -9))).toBe("InvalidArgument IMAGE_TRUNCATED");
  expect(await sending(productId, Buffer.concat([image, image]))).toBe("InvalidArgument IMAGE_TRAILING_DATA");
  expect(await sending(productId, Buffer.alloc(400_001, image))).toBe("InvalidArgument BODY_TOO_LARGE");
  expect(await sending(productId, await sharp(image).png().toBuffer())).toBe("InvalidArgument IMAGE_NOT_JPEG");
  expect(await sending("", image)).toBe("InvalidArgument PRODUCT_ID_REQUIRED");
  expect(await sending(unknownProduct, image)).toBe("NotFound PRODUCT_NOT_FOUND");
  expect([await fixture.files(), await fixture.sent()]).toEqual([[], []]);
});

test("nobody has an image of another shop, or one that there is none of", async () => {
  await uploadProduct(fixture.products, productId, await jpeg(30, 30));
  const other = fixture.clientOf("other", ProductImagesService);
  expect(await refused(bytesOf(other.getProductImage({ productId })))).toBe("NotFound IMAGE_NOT_FOUND");
  expect(await refused(bytesOf(fixture.products.getProductImage({ productId, readOffset: 99_999n })))).toBe(
    "OutOfRange RANGE_NOT_SATISFIABLE",
  );
});
