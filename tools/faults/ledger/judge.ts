// The independent ledger: what was asked and answered, against everything that is written anywhere.
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type pg from "pg";
import type { Asked } from "../load.ts";
import type { Product } from "../traffic.ts";
import { readBooks, type ParkedRow } from "./books.ts";
import { checkCommands, checkOrdersEnd, checkWorkLeft } from "./commands.ts";
import type { Disagreement } from "./disagreement.ts";
import { checkEvents } from "./events.ts";
import { checkMoney } from "./money.ts";
import { checkParcels } from "./parcels.ts";
import { checkStock } from "./stock.ts";

export interface Judgement {
  /** How many things were compared. */
  checked: number;
  disagreements: Disagreement[];
  /** Orders by what has become of them, such as "delivered" or "cancelled: EXPIRED". */
  fates: Record<string, number>;
  deadLetters: ParkedRow[];
}

export interface JudgeOptions {
  db: pg.Client;
  connection: NatsConnection;
  services: readonly string[];
  products: readonly Product[];
  asked: readonly Asked[];
}

export async function judge({ db, connection, services, products, asked }: JudgeOptions): Promise<Judgement> {
  const books = await readBooks(db, services);
  const manager = await jetstreamManager(connection);
  const all = [
    ...checkCommands(asked, books),
    checkOrdersEnd(books),
    checkWorkLeft(books),
    ...checkStock(products, books),
    ...checkMoney(asked, books),
    checkParcels(books),
    ...(await checkEvents({ db, connection, manager, services })),
  ];
  const fates: Record<string, number> = {};
  for (const { state, cancelReason } of books.orders) {
    const fate = cancelReason === "" ? state : `${state}: ${cancelReason}`;
    fates[fate] = (fates[fate] ?? 0) + 1;
  }
  return {
    checked: all.reduce((sum, { checked }) => sum + checked, 0),
    disagreements: all.flatMap(({ disagreements }) => disagreements),
    fates,
    deadLetters: books.parked,
  };
}
