// A label is drawn as a printer would draw it, and read as a scanner would read it.
import { createCanvas } from "@napi-rs/canvas";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { getDocument } from "pdfjs-dist/legacy/build/pdf.mjs";
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { drawLabel } from "./carrier/label.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  const wasmBinary = await readFile(createRequire(import.meta.url).resolve("zxing-wasm/reader/zxing_reader.wasm"));
  // From the packages that are here: nothing is fetched.
  await prepareZXingModule({ overrides: { wasmBinary: Uint8Array.from(wasmBinary).buffer }, fireImmediately: true });
  const env = { ORDERMESH_SHIP_FROM: "other=Elsewhere;demo=The Shop|1 Main St|10115 Berlin" };
  fixture = await serviceFixture(shipping, { env });
});
afterAll(() => fixture.close());

const client = () => fixture.client(ShippingService);
const home = { recipient: "Ada Lovelace", lines: ["12 Rue de l'École"], city: "Paris", postalCode: "75001", countryCode: "FR" };

async function labelOf(address?: typeof home): Promise<{ data: Uint8Array; trackingNumber: string; orderId: string }> {
  const orderId = newId("ord");
  await fixture.deliver(OrderReadySchema, { orderId, shippingMethod: "EXPRESS", ...(address && { shippingAddress: address }) });
  const { shipment } = await client().getShipment({ orderId });
  const { label } = await client().getShipmentLabel({ orderId });
  expect(label?.contentType).toBe("application/pdf");
  return { data: label?.data ?? new Uint8Array(), trackingNumber: shipment?.trackingNumber ?? "", orderId };
}

const dotsPerInch = 203;

/** The page in the dots of a common label printer, and its words. */
async function printed(data: Uint8Array) {
  const document = await getDocument({ data: Uint8Array.from(data), verbosity: 0 }).promise;
  const page = await document.getPage(1);
  const viewport = page.getViewport({ scale: dotsPerInch / 72 });
  const canvas = createCanvas(Math.round(viewport.width), Math.round(viewport.height));
  await page.render({ canvas: canvas as never, viewport }).promise;
  const { items } = await page.getTextContent();
  const text = items.map((item) => ("str" in item ? item.str : "")).join("\n");
  return { pages: document.numPages, image: canvas.toBuffer("image/png"), text, viewport };
}

test("the barcode is read as the parcel's number, and the words are those of the parcel", async () => {
  const { data, trackingNumber, orderId } = await labelOf(home);
  const { pages, image, text, viewport } = await printed(data);
  expect(pages).toBe(1);
  // A6: 105 by 148 millimetres.
  expect([viewport.width, viewport.height].map((dots) => Math.round((dots / dotsPerInch) * 25.4))).toEqual([105, 148]);
  const found = await readBarcodes(new Blob([Uint8Array.from(image)]), { formats: ["Code128"], tryHarder: true });
  // Application identifier 00: the symbol is GS1's, and the number a serial shipping container code.
  expect(found).toMatchObject([{ text: `(00)${trackingNumber}`, symbologyIdentifier: "]C1" }]);
  const want = [
    "The Shop",
    "10115 Berlin",
    "EXPRESS",
    "Ada Lovelace",
    "12 Rue de l'École",
    "75001 Paris",
    "FR",
    orderId,
    trackingNumber,
  ];
  for (const words of want) expect(text).toContain(words);
  expect(text).not.toContain("cannot be printed");
});

test("the same parcel has the same bytes, also when it has moved on", async () => {
  const { data, orderId } = await labelOf(home);
  await fixture.runDue(new Date(Date.now() + 600_000));
  const { label } = await client().getShipmentLabel({ orderId });
  expect(Buffer.from(label?.data ?? []).equals(data)).toBe(true);
});

test.each([
  { why: "Cyrillic", recipient: "Анна Каренина", shown: "Anna Karenina", isLost: false },
  { why: "Japanese", recipient: "夏目漱石", shown: "????", isLost: true },
  { why: "as long as it may be", recipient: "W".repeat(200), shown: "W".repeat(200), isLost: false },
])("an address that is $why is neither blank nor in the way", async ({ recipient, shown, isLost }) => {
  const { data, trackingNumber } = await labelOf({ ...home, recipient });
  const { text, image } = await printed(data);
  expect(text.replaceAll(/\s+/g, " ").replaceAll("W W", "WW")).toContain(shown);
  expect(text.includes("cannot be printed")).toBe(isLost);
  expect(await readBarcodes(new Blob([Uint8Array.from(image)]))).toMatchObject([{ text: `(00)${trackingNumber}` }]);
});

test.each(["PP00000001", "1Z999AA10123456784", "123456789012345678", "JQMWZKVR".repeat(4) + "A9"])(
  "a number of a carrier's own, %s, is read as it is",
  async (trackingNumber) => {
    const about = {
      orderId: "ord_1",
      shipmentId: "shp_1",
      method: "EXPRESS",
      carrier: "parcelpost",
      address: null,
      from: ["The Shop"],
    };
    const { text, image } = await printed(await drawLabel({ ...about, trackingNumber, createTime: new Date(0) }));
    expect(text).toContain(trackingNumber);
    expect(await readBarcodes(new Blob([Uint8Array.from(image)]), { tryHarder: true })).toMatchObject([{ text: trackingNumber }]);
  },
);

test("an order without an address says so, and a stopped parcel has no label", async () => {
  const { data, orderId } = await labelOf();
  expect((await printed(data)).text).toContain("no address");
  await client().stopShipment({ orderId, reason: "BUYER" });
  expect(await refusal(client().getShipmentLabel({ orderId }))).toMatchObject({ reason: "SHIPMENT_STOPPED" });
  expect(await refusal(client().getShipmentLabel({ orderId: newId("ord") }))).toMatchObject({ reason: "SHIPMENT_NOT_FOUND" });
});

test("a sender that says nothing stops the start with its name", () => {
  expect(() => shipping.create({ ...fixture.runtime, env: { ORDERMESH_SHIP_FROM: "demo=|" } })).toThrow("ORDERMESH_SHIP_FROM");
});
