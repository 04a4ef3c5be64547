// Images through the whole mesh: by forms, as they are and by Connect, up to the thumbnail on the customer.
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { MediaService } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { ProductImagesService } from "#gen/ordermesh/media/v1/product_images_service_pb.ts";
import { bearer } from "../../tools/bearer.ts";
import { bytesOf, filesIn, jpeg, upload } from "../../services/media/media.fixture.ts";
import { openForge } from "../access/forge.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

const bytesMax = 300_000;
let mesh: TestMesh;
let folder: string;
let ada: (path: string, init?: RequestInit) => Promise<Response>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-images-"));
  mesh = await testMesh({ ORDERMESH_MEDIA_DIR: folder, ORDERMESH_IMAGE_BYTES_MAX: String(bytesMax) });
  const { sign } = await openForge(mesh);
  const claims = { sub: "ada", client_id: "shop", roles: ["customer"], scope: "media:read media:write customers:read" };
  const token = await sign({ claims });
  ada = (path, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(mesh.edgeUrl + path, { ...init, headers });
  };
});
afterAll(async () => {
  await mesh.close();
  await rm(folder, { recursive: true, force: true });
});

const formOf = (entries: Record<string, string | Uint8Array<ArrayBuffer>>): FormData => {
  const form = new FormData();
  for (const [name, value] of Object.entries(entries)) {
    form.append(name, typeof value === "string" ? value : new File([value], "photo.jpg", { type: "image/jpeg" }));
  }
  return form;
};
const bodyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes);
const json = async (answer: Response): Promise<Record<string, unknown>> => (await answer.json()) as Record<string, unknown>;
const reasonIn = async (answer: Response): Promise<string | undefined> =>
  ((await json(answer))["details"] as { reason?: string }[]).find(({ reason }) => reason)?.reason;

test("from a form to the thumbnail on the customer", async () => {
  const image = bodyOf(await jpeg(640, 480, "#228833"));
  const answer = await ada("/api/tasks/upload-image", { method: "POST", body: formOf({ file: image, userId: "ada" }) });
  expect(answer.status).toBe(201);
  const contentHash = createHash("sha256").update(image).digest("hex");
  expect(await json(answer)).toMatchObject({
    userId: "ada",
    contentHash,
    width: 640,
    height: 480,
    imagePath: "/v1/users/ada/image",
  });
  const customers = mesh.client(CustomersService);
  let thumbnailImage = "";
  await eventually(async () => {
    thumbnailImage = (await customers.getCustomer({ customerId: "ada" })).customer?.thumbnailImage ?? "";
    expect(thumbnailImage).not.toBe("");
  });
  const thumbnail = await ada(thumbnailImage);
  expect([thumbnail.status, thumbnail.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
  const { info } = await sharp(Buffer.from(await thumbnail.arrayBuffer()))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([300, 300]);
  const etag = thumbnail.headers.get("etag") ?? "";
  expect([etag, thumbnail.headers.get("cache-control")]).toEqual([`"${contentHash}"`, "private, no-cache"]);
  expect((await ada(thumbnailImage, { headers: { "if-none-match": etag } })).status).toBe(304);
  const stored = Buffer.from(await (await ada("/v1/users/ada/image")).arrayBuffer());
  const part = await ada("/v1/users/ada/image", { headers: { range: "bytes=100-199", "if-range": etag } });
  expect([part.status, part.headers.get("content-range")]).toEqual([206, `bytes 100-199/${stored.length}`]);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(stored.subarray(100, 200));
  expect((await ada("/v1/users/ada/image", { headers: { range: `bytes=${stored.length}-` } })).status).toBe(416);
  expect(await json(await ada("/v1/customers/ada"))).toMatchObject({ thumbnailImage: "/v1/users/ada/thumbnail" });
});

test("as it is, and again: one file", async () => {
  const body = bodyOf(await jpeg(50, 50));
  const send = () => mesh.fetch("/v1/users/bob/image", { method: "POST", body, headers: { "content-type": "image/png" } });
  const [first, second] = [await send(), await send()];
  expect([first.status, second.status]).toEqual([201, 201]);
  expect((await json(first))["uploadTime"]).toBe((await json(second))["uploadTime"]);
  expect((await images()).filter((name) => name.includes("/bob/"))).toHaveLength(1);
});

test.each(["Connect", "gRPC"])("by %s", async (protocol) => {
  const interceptors = [bearer(mesh.token)];
  const baseUrl = mesh.rpcUrl;
  const transport =
    protocol === "gRPC"
      ? createGrpcTransport({ baseUrl, interceptors })
      : createConnectTransport({ baseUrl, httpVersion: "2", interceptors });
  const media = createClient(MediaService, transport);
  const userId = `by-${protocol}`;
  await upload(media, userId, await jpeg(70, 60));
  expect((await sharp(await bytesOf(media.getUserImage({ userId }))).metadata()).width).toBe(70);
});

describe("of a product", () => {
  let path: string;
  let contentHash: string;
  const productOf = async (productId: string) => (await mesh.client(CatalogService).getProduct({ productId })).product;

  test("from a form to the sizes on the product", async () => {
    const price = { currencyCode: "EUR", minorUnits: 100n };
    const variants = [{ variant: { sku: "MUG-SEEN", prices: [price] }, initialStock: 1n }];
    const { product } = await mesh.client(CatalogService).createProduct({ title: "Mug", variants });
    const productId = product?.productId ?? "";
    expect(product?.image).toBeUndefined();
    const file = bodyOf(await jpeg(500, 250, "#882222"));
    path = `/v1/products/${productId}/image`;
    const answer = await mesh.fetch(path, { method: "POST", body: formOf({ file }) });
    expect([answer.status, await json(answer)]).toMatchObject([201, { productId, width: 500, height: 250, imagePath: path }]);
    contentHash = createHash("sha256").update(file).digest("hex");
    await eventually(async () =>
      expect((await productOf(productId))?.image).toMatchObject({
        path,
        contentHash,
        width: 500,
        height: 250,
        sizes: [160, 480, 500],
      }),
    );
  });

  test("by size and Accept, for everybody", async () => {
    const get = (query: string, headers: Record<string, string>) => fetch(`${mesh.edgeUrl}${path}${query}`, { headers });
    const chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
    const small = await get("?size=200", { accept: chrome });
    const etag = `"${contentHash}-480-avif"`;
    const headers = ["content-type", "etag", "cache-control", "vary"].map((name) => small.headers.get(name));
    expect([small.status, ...headers]).toEqual([200, "image/avif", etag, "max-age=60", expect.stringMatching(/\bAccept\b/)]);
    const bytes = Buffer.from(await small.arrayBuffer());
    expect((await sharp(bytes).metadata()).width).toBe(480);
    expect((await get("?size=200", { accept: chrome, "if-none-match": etag })).status).toBe(304);
    const webp = await get("?size=200", { accept: "image/avif;q=0.2,image/webp", "if-none-match": etag });
    expect([webp.status, webp.headers.get("content-type")]).toEqual([200, "image/webp"]);
    const part = await get("?size=200", { accept: chrome, range: "bytes=10-19", "if-range": etag });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(10, 20)]);
    const whole = await get("", {});
    expect([whole.headers.get("content-type"), whole.headers.get("etag")]).toEqual(["image/jpeg", `"${contentHash}"`]);
    expect((await get("?size=-1", {})).status).toBe(400);
    const productId = path.split("/")[3] ?? "";
    const options = { headers: { accept: "image/webp" } };
    const byRpc = await bytesOf(mesh.client(ProductImagesService).getProductImage({ productId, size: 200 }, options));
    expect((await sharp(byRpc).metadata()).format).toBe("webp");
  });

  test("that is none, that is nobody's or that a customer sends is refused, and nothing is stored", async () => {
    const before = await images();
    const [image, headers] = [bodyOf(await jpeg(20, 20)), { "content-type": "image/jpeg" }];
    const send = (to: string, body: Uint8Array<ArrayBuffer>) => mesh.fetch(to, { method: "POST", body, headers });
    const half = await send(path, image.subarray(0, -20));
    expect([half.status, await reasonIn(half)]).toEqual([400, "IMAGE_TRUNCATED"]);
    const unknown = await send("/v1/products/prod_none/image", image);
    expect([unknown.status, await reasonIn(unknown)]).toEqual([404, "PRODUCT_NOT_FOUND"]);
    const customer = await ada(path, { method: "POST", body: image, headers });
    expect([customer.status, await reasonIn(customer)]).toEqual([403, "ROLE_REQUIRED"]);
    expect((await fetch(`${mesh.edgeUrl}/v1/products/prod_none/image`)).status).toBe(404);
    expect(await images()).toEqual(before);
  });
});

/** What is made of those that were there before may still come. */
const images = async (): Promise<string[]> =>
  (await filesIn(folder)).filter((name) => /^files\/.*\/[0-9a-f]{64}\.jpg$/.test(name));

describe("is refused with the reason, and nothing is stored:", () => {
  const whole = () => jpeg(60, 60);
  test.each<[string, () => Promise<Uint8Array>, number, string]>([
    [
      "a PNG that is called .jpg",
      () =>
        sharp({ create: { width: 9, height: 9, channels: 3, background: "#fff" } })
          .png()
          .toBuffer(),
      400,
      "IMAGE_NOT_JPEG",
    ],
    ["half a JPEG", async () => (await whole()).subarray(0, -50), 400, "IMAGE_TRUNCATED"],
    ["an empty file", async () => new Uint8Array(), 400, "IMAGE_EMPTY"],
    ["a page behind a JPEG", async () => Buffer.concat([await whole(), Buffer.from("<html>")]), 400, "IMAGE_TRAILING_DATA"],
    [
      "too many bytes",
      async () => Buffer.concat([(await whole()).subarray(0, -2), Buffer.alloc(bytesMax)]),
      413,
      "BODY_TOO_LARGE",
    ],
    [
      "30,000 x 30,000 pixels",
      () =>
        sharp({ create: { width: 16, height: 16, channels: 3, background: "#000" } })
          .jpeg()
          .toBuffer()
          .then(enlarged),
      400,
      "IMAGE_TOO_MANY_PIXELS",
    ],
  ])("%s", async (_, make, status, reason) => {
    const before = await images();
    const body = formOf({ file: bodyOf(await make()), userId: "ada" });
    const answer = await ada("/api/tasks/upload-image", { method: "POST", body });
    expect([answer.status, await reasonIn(answer)]).toEqual([status, reason]);
    expect(await images()).toEqual(before);
  });

  test("a file of nobody, and one of somebody else", async () => {
    const before = await images();
    const file = bodyOf(await whole());
    const nobody = await ada("/api/tasks/upload-image", { method: "POST", body: formOf({ file }) });
    expect([nobody.status, await reasonIn(nobody)]).toEqual([400, "USER_ID_REQUIRED"]);
    for (const body of [formOf({ file, userId: "eve" }), formOf({ userId: "eve", file })]) {
      const others = await ada("/api/tasks/upload-image", { method: "POST", body });
      expect([others.status, await reasonIn(others)]).toEqual([403, "NOT_YOURS"]);
    }
    expect((await ada("/v1/users/eve/image", { method: "POST", body: file })).status).toBe(403);
    expect((await ada("/v1/users/bob/image")).status).toBe(403);
    expect(await images()).toEqual(before);
  });
});

/** The same, by what its frame says: the pixels themselves would take a minute to make. */
function enlarged(bytes: Buffer): Buffer {
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(30_000, frame + 5);
  bytes.writeUInt16BE(30_000, frame + 7);
  return bytes.subarray(0, 200_000);
}
