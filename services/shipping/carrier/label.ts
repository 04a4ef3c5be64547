// The label of a parcel: a page of PDF in A6 whose bars are drawn as rectangles, so that they are as sharp as the printer.
import bwipjs from "bwip-js/node";
// oxlint-disable-next-line import/no-named-as-default -- the types know the default export alone
import PDFDocument from "pdfkit";
import type { Address } from "../domain/shipment.ts";
import { checkDigit } from "./check-digit.ts";
import { printable, type Printable } from "./printable.ts";

export interface LabelContent {
  orderId: string;
  shipmentId: string;
  method: string;
  carrier: string;
  /** The 18 digits of a serial shipping container code, or a number of the carrier's own: up to 34 letters, digits and hyphens. */
  trackingNumber: string;
  /** Null where the order gave none. */
  address: Address | null;
  /** Lines of the sender's address. */
  from: readonly string[];
  createTime: Date;
}

const pointsPerMm = 72 / 25.4;
const mm = (length: number): number => length * pointsPerMm;

const page = { width: mm(105), height: mm(148) };
const margin = mm(6);
/** The narrowest bar and the least height for logistic units (GS1 General Specifications, symbol specification table 5). */
const moduleWidth = mm(0.495);
const barHeight = mm(31.75);
const sizeMin = 4;
const lineSpacing = 1.2;

/** The same content has the same bytes: nothing of it is the time at which it is drawn. */
export async function drawLabel(content: LabelContent): Promise<Uint8Array> {
  const document = new PDFDocument({
    size: [page.width, page.height],
    margin: 0,
    info: { Title: `Parcel ${content.trackingNumber}`, CreationDate: content.createTime },
  });
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  document.on("data", (chunk: Buffer) => chunks.push(chunk));
  document.on("end", () => {
    resolve();
  });
  document.on("error", reject);
  draw(document, content);
  document.end();
  await promise;
  return Uint8Array.from(Buffer.concat(chunks));
}

type Page = InstanceType<typeof PDFDocument>;

function draw(document: Page, content: LabelContent): void {
  const sender = content.from.map(printable);
  const receiver = addressLines(content.address).map(printable);
  lines(document, ["From", ...sender.map(({ text }) => text)], { top: mm(6), height: mm(21), size: 8 });
  lines(document, [`${content.method}   ${content.carrier}`], { top: mm(28), height: mm(8), size: 14, font: "Helvetica-Bold" });
  lines(document, ["To"], { top: mm(38), height: mm(4), size: 8 });
  lines(
    document,
    receiver.map(({ text }) => text),
    { top: mm(42), height: mm(45), size: 13 },
  );
  if ([...sender, ...receiver].some(isIncomplete)) {
    const note = "Letters shown as ? cannot be printed here: look the address up by the order.";
    lines(document, [note], { top: mm(88.5), height: mm(4), size: 7, font: "Helvetica-Oblique" });
  }
  lines(document, [`Order ${content.orderId}`, `Parcel ${content.shipmentId}`], { top: mm(93), height: mm(8), size: 7 });
  drawBarcode(document, content.trackingNumber);
}

const isIncomplete = ({ lost }: Printable): boolean => lost > 0;

function addressLines(address: Address | null): string[] {
  if (!address) return ["(the order gives no address)"];
  const { recipient, lines: streets, city, postalCode, region, countryCode } = address;
  const place = [postalCode, city].filter(Boolean).join(" ");
  return [recipient, ...streets, place, region, countryCode].filter(Boolean);
}

interface Block {
  top: number;
  height: number;
  /** The largest that the letters may be. Points. */
  size: number;
  font?: string;
}

/** Sets texts below each other, in smaller letters and over several rows where they are long, so that none of them is cut. */
function lines(document: Page, texts: readonly string[], { top, height, size, font = "Helvetica" }: Block): void {
  document.font(font);
  const sizes = Array.from({ length: size - sizeMin + 1 }, (_, index) => size - index);
  const fitting = sizes.find((one) => rowsOf(document, texts, one).length * one * lineSpacing <= height) ?? sizeMin;
  for (const [index, row] of rowsOf(document, texts, fitting).entries()) {
    document.text(row, margin, top + index * fitting * lineSpacing, { lineBreak: false });
  }
}

function rowsOf(document: Page, texts: readonly string[], size: number): string[] {
  document.fontSize(size);
  const width = page.width - 2 * margin;
  return texts.flatMap((text) => {
    const rows: string[] = [];
    let row = "";
    for (const letter of text) {
      if (document.widthOfString(row + letter) > width) {
        rows.push(row);
        row = "";
      }
      row += letter;
    }
    return [...rows, row];
  });
}

/**
 * Of a serial shipping container code a GS1-128 symbol: application identifier 00 and 18 digits (GS1 General Specifications, sections 3.2
 * and 5.4); of any other number one of Code 128. The text is below it, and at least ten modules of white on both sides.
 */
function drawBarcode(document: Page, trackingNumber: string): void {
  const isOfGs1 = isContainerCode(trackingNumber);
  const widths = isOfGs1 ? barsOf("gs1-128", `(00)${trackingNumber}`) : barsOf("code128", trackingNumber);
  const modules = widths.reduce((sum, width) => sum + width, 0);
  // A long number of a carrier's own has narrower bars, so that all of it is on the page.
  const module = Math.min(moduleWidth, (page.width - 2 * margin) / modules);
  const top = page.height - barHeight - mm(12);
  let left = (page.width - modules * module) / 2;
  for (const [index, width] of widths.entries()) {
    // Bars and spaces take turns, a bar first.
    if (index % 2 === 0) document.rect(left, top, width * module, barHeight);
    left += width * module;
  }
  document.fill("black");
  const text = isOfGs1 ? `(00) ${trackingNumber}` : trackingNumber;
  document.font("Helvetica").fontSize(11);
  document.text(text, (page.width - document.widthOfString(text)) / 2, top + barHeight + mm(2), { lineBreak: false });
}

const isContainerCode = (trackingNumber: string): boolean =>
  /^\d{18}$/.test(trackingNumber) && trackingNumber.slice(-1) === checkDigit(trackingNumber.slice(0, -1));

/** Widths of the bars and spaces in modules, from the left. */
function barsOf(bcid: "gs1-128" | "code128", text: string): number[] {
  const [symbol] = bwipjs.raw({ bcid, text });
  if (!symbol || !("sbs" in symbol)) throw new Error("a symbol of Code 128 is made of bars");
  return symbol.sbs;
}
