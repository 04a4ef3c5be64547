// The independent ledger: what was asked and answered, against everything that is written anywhere.
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type pg from "pg";
import type { Asked } from "../asked.ts";
import type { Product } from "../goods.ts";
import { counted } from "../counted.ts";
import { readBooks, readLeft, type Books, type Left, type OrderRow, type ParkedRow } from "./books.ts";
import { checkChanges } from "./changes.ts";
import { checkCommands, checkOrdersEnd, checkWorkLeft } from "./commands.ts";
import { checkContents, expectedContents } from "./contents.ts";
import { findings, type Disagreement, type Findings } from "./disagreement.ts";
import { checkEvents } from "./events.ts";
import { checkMoney } from "./money.ts";
import { checkParcels } from "./parcels.ts";
import { checkReturns, expectedReturns } from "./returns.ts";
import { checkStock } from "./stock.ts";

export interface Judgement {
  /** How many things were compared. */
  checked: number;
  disagreements: Disagreement[];
  /** Orders by what has become of them, such as "delivered" or "cancelled: EXPIRED". */
  fates: Record<string, number>;
  /** Changes, returns and exchanges by the same, such as "change applied". */
  fatesOfWishes: Record<string, number>;
  deadLetters: ParkedRow[];
}

/** A tenant, and what was asked in its name. */
export interface JudgedShop {
  tenant: string;
  products: readonly Product[];
  asked: readonly Asked[];
}

export interface JudgeOptions {
  db: pg.Client;
  connection: NatsConnection;
  services: readonly string[];
  /** All tenants that have orders. */
  shops: readonly JudgedShop[];
}

export async function judge({ db, connection, services, shops }: JudgeOptions): Promise<Judgement> {
  const left = await readLeft(db, services);
  const manager = await jetstreamManager(connection);
  const judged = [];
  for (const shop of shops) judged.push(await judgeShop(db, shop, left));
  const all = [
    ...judged.flatMap(({ found }) => found),
    checkWorkLeft(left),
    await checkStrangers(db, shops),
    ...(await checkEvents({ db, connection, manager, services })),
  ];
  return {
    checked: all.reduce((sum, { checked }) => sum + checked, 0),
    disagreements: all.flatMap(({ disagreements }) => disagreements),
    fates: counted(judged.flatMap(({ books }) => books.orders.map(fateOf))),
    fatesOfWishes: counted(judged.flatMap(({ books }) => wishesOf(books))),
    deadLetters: left.parked,
  };
}

/** By itself: what one tenant has is no answer to what another was told. */
async function judgeShop(db: pg.Client, { tenant, products, asked }: JudgedShop, left: Left) {
  const books = { ...(await readBooks(db, tenant)), ...left };
  const contents = expectedContents(asked, books, products);
  const returns = expectedReturns(asked, { books, contents, goods: products });
  const found = [
    ...checkCommands(asked, { books, returns }),
    checkOrdersEnd(books),
    checkContents(contents, books),
    ...checkChanges(asked, books),
    ...checkReturns(returns, books),
    ...checkStock(products, { books, returns }),
    ...checkMoney(asked, { books, contents, returns, goods: products }),
    checkParcels(books),
  ];
  const named = found.map(({ checked, disagreements }) => ({
    checked,
    disagreements: disagreements.map((one) => ({ ...one, subject: `${tenant}/${one.subject}` })),
  }));
  return { found: named, books };
}

/** Nobody has an order, or anything about one, who was asked for none. */
async function checkStrangers(db: pg.Client, shops: readonly JudgedShop[]): Promise<Findings> {
  const tables = ["orders.orders", "inventory.reservation", "payments.payment", "shipping.shipment", "fraud.assessment"];
  const ofStrangers = tables.map(
    (table) => `select '${table}' as name, tenant_id as tenant, order_id as "orderId" from ${table}
    where tenant_id <> all($1)`,
  );
  const tenants = shops.map(({ tenant }) => tenant);
  const read = await db.query<{ name: string; tenant: string; orderId: string }>(ofStrangers.join(" union all "), [tenants]);
  const { disagreements } = findings(read.rows, ({ name, tenant, orderId }) => [
    { rule: "row_of_a_stranger", subject: `${tenant}/${orderId}`, message: `${name} has it, and nobody asked for it there` },
  ]);
  return { checked: tables.length, disagreements };
}

const wishesOf = ({ changes, returns }: Books): string[] => [
  ...changes.map(({ state }) => `change ${state}`),
  ...returns.map(({ state }) => `return ${state}`),
  ...returns.flatMap(({ exchangeState }) => (exchangeState === null ? [] : [`exchange ${exchangeState}`])),
];

const fateOf = ({ state, cancelReason }: OrderRow): string => (cancelReason === "" ? state : `${state}: ${cancelReason}`);
