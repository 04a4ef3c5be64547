// Images of users: what is stored, what is made of it, what is refused, and what is left of it.
import { createHash } from "node:crypto";
import { rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sql } from "kysely";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { ImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { MediaService } from "#gen/ordermesh/media/v1/media_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { childTraceparent, runInContext } from "#runtime/request-context.ts";
import { until } from "../../test/support/until.ts";
import { bytesOf, jpeg, mediaFixture, parts, upload, type MediaFixture, type UploadPart } from "./media.fixture.ts";
import type { FileStore } from "./provider/contract.ts";
import { openMedia } from "./provider/settings.ts";
import { sweep } from "./tasks/sweep.ts";

let fixture: MediaFixture;
beforeAll(async () => {
  fixture = await mediaFixture({ ORDERMESH_IMAGE_BYTES_MAX: "400000" });
});
afterEach(async () => {
  await sql`truncate user_image, erased_user, outbox`.execute(fixture.runtime.db);
  const opened = openMedia(fixture.runtime.env);
  for await (const { name } of opened.store.list("")) await opened.store.remove([name]);
});
afterAll(() => fixture.close());

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const refused = (uploading: Promise<unknown>): Promise<string> =>
  uploading.then(
    () => "taken",
    (error: unknown) => `${Code[ConnectError.from(error).code]} ${reasonOf(error)}`,
  );
const uploaded = (userId: string, contentHash: string) => fixture.deliver(ImageUploadedSchema, { userId, contentHash });

test("an image is stored upright, without what it tells, and told of", async () => {
  const raw = await sharp({ create: { width: 40, height: 20, channels: 3, background: "#800" } })
    .withExif({ IFD0: { Copyright: "Ada Lovelace", Orientation: "6" } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  const image = await upload(fixture.media, "ada", raw);
  const contentHash = hashOf(raw);
  expect(image).toMatchObject({ userId: "ada", contentHash, width: 20, height: 40, thumbnailPath: "" });
  const stored = await bytesOf(fixture.media.getUserImage({ userId: "ada" }));
  const { format, width, height, exif } = await sharp(stored).metadata();
  expect([format, width, height, exif]).toEqual(["jpeg", 20, 40, undefined]);
  expect([image.bytes, stored.includes("Lovelace")]).toEqual([BigInt(stored.length), false]);
  expect(await fixture.files()).toEqual([`files/demo/users/ada/${contentHash}.jpg`]);
  expect(await fixture.sent()).toMatchObject([
    { typeName: ImageUploadedSchema.typeName, key: "ada", sequence: 1, message: { contentHash, width: 20, height: 40 } },
  ]);
});

test("a repeat makes no second file and no second event, also at the same moment", async () => {
  const bytes = await jpeg(30, 30);
  const images = await Promise.all(Array.from({ length: 8 }, () => upload(fixture.media, "ada", bytes)));
  expect(new Set(images.map(({ contentHash }) => contentHash)).size).toBe(1);
  expect(await upload(fixture.media, "ada", bytes)).toEqual(images[0]);
  expect([(await fixture.files()).length, (await fixture.sent()).length]).toEqual([1, 1]);
});

describe("a thumbnail", () => {
  test.each([
    [900, 300],
    [40, 70],
  ])("of %d x %d pixels is a JPEG of 300 x 300, and told of once", async (width, height) => {
    const { contentHash } = await upload(fixture.media, "ada", await jpeg(width, height));
    expect(await refused(bytesOf(fixture.media.getUserThumbnail({ userId: "ada" })))).toBe("NotFound THUMBNAIL_NOT_READY");
    await uploaded("ada", contentHash);
    await uploaded("ada", contentHash);
    const thumbnail = await bytesOf(fixture.media.getUserThumbnail({ userId: "ada" }));
    const { data, info } = await sharp(thumbnail).raw().toBuffer({ resolveWithObject: true });
    expect([(await sharp(thumbnail).metadata()).format, info.width, info.height]).toEqual(["jpeg", 300, 300]);
    // As the original is, within what a JPEG loses.
    expect(Math.abs((data[0] ?? 0) - 0x33)).toBeLessThan(6);
    const created = (await fixture.sent()).filter(({ typeName }) => typeName.endsWith("ThumbnailCreated"));
    expect(created).toMatchObject([
      { key: "ada", sequence: 2, message: { contentHash, thumbnailPath: "/v1/users/ada/thumbnail" } },
    ]);
  });

  test("of an image that was replaced meanwhile is not made", async () => {
    const { contentHash } = await upload(fixture.media, "ada", await jpeg(30, 30));
    await upload(fixture.media, "ada", await jpeg(30, 30, "#ff0000"));
    await uploaded("ada", contentHash);
    expect(await refused(bytesOf(fixture.media.getUserThumbnail({ userId: "ada" })))).toBe("NotFound THUMBNAIL_NOT_READY");
    expect((await fixture.files()).length).toBe(2);
  });

  test("whose image cannot be read fails, so that it is tried again and becomes a letter", async () => {
    const { contentHash } = await upload(fixture.media, "ada", await jpeg(30, 30));
    await writeFile(join(fixture.folder, `files/demo/users/ada/${contentHash}.jpg`), "no image");
    await expect(uploaded("ada", contentHash)).rejects.toThrow(/unsupported image format/);
  });
});

describe("refused, and nothing stored:", () => {
  const png = () =>
    sharp({ create: { width: 9, height: 9, channels: 3, background: "#fff" } })
      .png()
      .toBuffer();
  /** A whole JPEG by its markers that no decoder can read. */
  const damaged = async (): Promise<Buffer> => {
    const bytes = await sharp({
      create: { width: 200, height: 200, channels: 3, background: "#000", noise: { type: "gaussian", mean: 128, sigma: 60 } },
    })
      .jpeg()
      .toBuffer();
    return Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.from([0xff, 0xd9])]);
  };
  const withSize = async (width: number, height: number): Promise<Buffer> => {
    const bytes = await jpeg(16, 16);
    const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    bytes.writeUInt16BE(height, frame + 5);
    bytes.writeUInt16BE(width, frame + 7);
    return bytes;
  };

  test.each<[string, () => Promise<Buffer>, string]>([
    ["a PNG", png, "InvalidArgument IMAGE_NOT_JPEG"],
    ["no bytes", async () => Buffer.alloc(0), "InvalidArgument IMAGE_EMPTY"],
    ["half a JPEG", async () => (await jpeg(99, 99)).subarray(0, -40), "InvalidArgument IMAGE_TRUNCATED"],
    ["a JPEG without half of its pixels", damaged, "InvalidArgument IMAGE_MALFORMED"],
    [
      "a JPEG that is an archive too",
      async () => Buffer.concat([await jpeg(9, 9), Buffer.from("PK\u0003\u0004")]),
      "InvalidArgument IMAGE_TRAILING_DATA",
    ],
    ["30,000 x 30,000 pixels", () => withSize(30_000, 30_000), "InvalidArgument IMAGE_TOO_MANY_PIXELS"],
    [
      "too many bytes",
      async () => Buffer.concat([(await jpeg(9, 9)).subarray(0, -2), Buffer.alloc(400_000)]),
      "InvalidArgument BODY_TOO_LARGE",
    ],
  ])("%s", async (_, make, why) => {
    expect(await refused(upload(fixture.media, "ada", await make()))).toBe(why);
    expect([await fixture.files(), await fixture.sent()]).toEqual([[], []]);
  });

  test.each<[string, UploadPart[]]>([
    ["no user", [{ userId: "" }]],
    ["two users", [{ userId: "ada" }, { userId: "eve" }]],
  ])("%s", async (_, named) => {
    const image = await jpeg(9, 9);
    async function* sending() {
      yield* named;
      yield* parts("", image);
    }
    expect(await refused(fixture.media.uploadUserImage(sending()))).toBe("InvalidArgument USER_ID_REQUIRED");
    expect(await fixture.files()).toEqual([]);
  });

  test("an upload that its caller breaks off", async () => {
    const image = await jpeg(9, 9);
    const ending = new AbortController();
    async function* half() {
      yield { userId: "ada", image: { data: image.slice(0, 100) } };
      ending.abort();
      await new Promise(() => {});
    }
    expect(await refused(fixture.media.uploadUserImage(half(), { signal: ending.signal }))).toBe("Canceled undefined");
    await expect.poll(() => fixture.files()).toEqual([]);
  });
});

test("a user named behind the file is named well enough", async () => {
  const image = await jpeg(9, 9);
  async function* sending() {
    yield* parts("", image);
    yield { userId: "ada" };
  }
  expect((await fixture.media.uploadUserImage(sending())).image?.userId).toBe("ada");
});

test("tenants have images of their own, also of users of one name", async () => {
  const other = fixture.clientOf("other", MediaService);
  await upload(fixture.media, "ada", await jpeg(30, 30));
  expect(await refused(bytesOf(other.getUserImage({ userId: "ada" })))).toBe("NotFound IMAGE_NOT_FOUND");
  await upload(other, "ada", await jpeg(50, 50));
  expect((await sharp(await bytesOf(fixture.media.getUserImage({ userId: "ada" }))).metadata()).width).toBe(30);
});

test("parts of an image are what was asked for", async () => {
  await upload(fixture.media, "ada", await jpeg(30, 30));
  const whole = await bytesOf(fixture.media.getUserImage({ userId: "ada" }));
  const part = (readOffset: number, readLimit = 0) =>
    bytesOf(fixture.media.getUserImage({ userId: "ada", readOffset: BigInt(readOffset), readLimit: BigInt(readLimit) }));
  expect(await part(2, 10)).toEqual(whole.subarray(2, 12));
  expect(await part(-7)).toEqual(whole.subarray(-7));
  expect(await refused(part(whole.length))).toBe("OutOfRange RANGE_NOT_SATISFIABLE");
});

describe("of an erased customer", () => {
  const inShop = <Result>(work: () => Result): Result =>
    runInContext({ requestId: "req_test", traceparent: childTraceparent(undefined), tenant: "demo" }, work);
  const person = { tenant: "demo", customerId: "ada", orderIds: [] };

  test("rows and files go, and nothing comes back", async () => {
    const image = await jpeg(30, 30);
    const { contentHash } = await upload(fixture.media, "ada", image);
    await uploaded("ada", contentHash);
    await upload(fixture.media, "eve", image);
    expect((await inShop(() => fixture.parts.personalData?.list(person, undefined)))?.records).toMatchObject([
      { kind: "image", id: contentHash },
    ]);
    await fixture.deliver(CustomerErasedSchema, { customerId: "ada" });
    expect(await inShop(() => fixture.parts.personalData?.remainders(person))).toMatchObject([
      { kind: "image_files", reason: "SOON" },
    ]);
    await fixture.runDue(new Date(Date.now() + 1_000));
    expect(await inShop(() => fixture.parts.personalData?.remainders(person))).toEqual([]);
    expect(await fixture.files()).toEqual([`files/demo/users/eve/${contentHash}.jpg`]);
    expect(await refused(upload(fixture.media, "ada", image))).toBe("FailedPrecondition CUSTOMER_ERASED");
    expect((await fixture.files()).length).toBe(1);
  });

  test("a thumbnail that was being made goes, too", async () => {
    const { contentHash } = await upload(fixture.media, "ada", await jpeg(30, 30));
    await fixture.deliver(CustomerErasedSchema, { customerId: "ada" });
    await fixture.runDue(new Date(Date.now() + 1_000));
    await openMedia(fixture.runtime.env).spool.using(async (path) => {
      await writeFile(path, "thumbnail");
      await openMedia(fixture.runtime.env).store.put(`demo/users/ada/${contentHash}-300x300.jpg`, path);
    });
    await uploaded("ada", contentHash);
    await fixture.runDue(new Date(Date.now() + 1_000));
    expect(await fixture.files()).toEqual([]);
  });
});

test("the sweep takes what a crash has left, once it is old, and nothing that a row names", async () => {
  const { contentHash } = await upload(fixture.media, "ada", await jpeg(30, 30));
  await uploaded("ada", contentHash);
  const names = [`files/demo/users/ada/${"0".repeat(64)}.jpg`, "spool/half", "files/demo/users/ada/other.txt"];
  for (const name of [...names, "spool/young"]) {
    await writeFile(join(fixture.folder, name), "left");
    const time = new Date(Date.now() - (name === "spool/young" ? 1_000 : 7_200_000));
    await utimes(join(fixture.folder, name), time, time);
  }
  const before = await fixture.files();
  for (const name of before) if (name.includes(contentHash)) await utimes(join(fixture.folder, name), 0, 0);
  await sweep(fixture.runtime, openMedia(fixture.runtime.env));
  expect(before.filter((name) => name.startsWith("files/demo/users/ada/"))).toHaveLength(4);
  const gone = names.slice(0, 2);
  const left = before.filter((name) => !gone.includes(name));
  expect(await fixture.files()).toEqual(left);
  await writeFile(join(fixture.folder, "files/demo/users/ada/other.txt"), "");
});

describe("an image that is sent again while the sweep is under way stands:", () => {
  let image: Buffer;
  let path: string;
  beforeEach(async () => {
    image = await jpeg(40, 30);
    const { contentHash } = await upload(fixture.media, "ada", image);
    await upload(fixture.media, "ada", await jpeg(50, 50));
    path = join(fixture.folder, `files/demo/users/ada/${contentHash}.jpg`);
    await utimes(path, 0, 0);
  });
  const sweepWith = (change: (store: FileStore) => Partial<FileStore>) => {
    const opened = openMedia(fixture.runtime.env);
    return sweep(fixture.runtime, { ...opened, store: { ...opened.store, ...change(opened.store) } });
  };

  test("its file is removed before its row is there", async () => {
    let again: Promise<unknown> = Promise.resolve();
    await sweepWith((store) => ({
      remove: async (names) => {
        expect(names).toHaveLength(1);
        again = upload(fixture.media, "ada", image);
        await until(async () => (await stat(path)).mtimeMs > 0);
        // It has no row as long as this goes on, but would have one by now where nothing kept it from that.
        await Promise.race([again, pause(200)]);
        await store.remove(names);
      },
    }));
    await again;
    expect((await sharp(await bytesOf(fixture.media.getUserImage({ userId: "ada" }))).metadata()).width).toBe(40);
  });

  test("its file is new when the sweep comes to it", async () => {
    await sweepWith((store) => ({
      list: async function* list(prefix) {
        yield* store.list(prefix);
        await utimes(path, new Date(), new Date());
      },
    }));
    expect((await stat(path)).size).toBeGreaterThan(0);
  });
});

test("an image whose file is lost is stored anew when it is sent again", async () => {
  const image = await jpeg(30, 30);
  const { contentHash } = await upload(fixture.media, "ada", image);
  const name = `files/demo/users/ada/${contentHash}.jpg`;
  await rm(join(fixture.folder, name));
  await upload(fixture.media, "ada", image);
  expect([(await fixture.files()).filter((file) => file === name), (await fixture.sent()).length]).toEqual([[name], 1]);
});
