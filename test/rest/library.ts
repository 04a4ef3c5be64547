// The library behind the foreign contract: what it answers, in JSON, whichever protocol asks.
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary, type DescMessage, type FileRegistry, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { DebugInfoSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { MoneySchema } from "#gen/ordermesh/type/v1/money_pb.ts";

export interface Asked {
  method: string;
  request: Record<string, unknown>;
  headers: Record<string, string>;
  /** Aborted when whoever asked is gone, or its time is over. */
  signal: AbortSignal;
}

export interface Detail {
  type: string;
  value: Uint8Array;
}

export class LibraryError extends Error {
  readonly code: Code;
  readonly details: Detail[];

  constructor(code: Code, message: string, details: Detail[] = []) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

export interface Library {
  heard: Asked[];
  /** One answer, or all of a stream. */
  answer(asked: Asked): AsyncGenerator<Record<string, unknown>>;
}

export function createLibrary(contracts: FileRegistry): Library {
  const heard: Asked[] = [];
  const refused = contracts.getMessage("acme.library.v1.LoanRefused");
  if (!refused) throw new Error("the contract has no LoanRefused");
  return {
    heard,
    async *answer(asked) {
      heard.push(asked);
      const { method, request } = asked;
      const name = typeof request["name"] === "string" ? request["name"] : "";
      await failOn(name, refused, asked.signal);
      if (method === "ListBooks") yield { books: [{ name: "one" }, { name: "two", pages: "9007199254740993" }] };
      else if (method === "DeleteBook") yield {};
      else if (method === "ReadPage") yield { contentType: "text/html", data: Buffer.from(`<p>${name}</p>`) };
      else if (method === "DownloadBook") {
        yield { contentType: "application/pdf", data: Buffer.from("one ") };
        yield { data: Buffer.from("two") };
      } else if (method === "WatchBooks") {
        yield { name: "first" };
        yield { name: "second" };
        const { pageSize } = request;
        if (pageSize === 3) throw new LibraryError(Code.Aborted, "the shelf was moved", [infoOf("SHELF_MOVED")]);
      } else {
        const book = typeof request["book"] === "object" ? request["book"] : {};
        yield { name, title: "Emma", genre: "GENRE_NOVEL", pages: "474", ...book };
      }
    },
  };
}

const detail = <Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>): Detail => ({
  type: desc.typeName,
  value: toBinary(desc, create(desc, value)),
});

const infoOf = (reason: string): Detail =>
  detail(ErrorInfoSchema, { reason, domain: "library.acme.example", metadata: { a: "b" } });

async function failOn(name: string, refused: DescMessage, signal: AbortSignal): Promise<void> {
  switch (name.slice(name.lastIndexOf("/") + 1)) {
    case "lent": {
      const why = { type: refused.typeName, value: toBinary(refused, create(refused, { reader: "ada", overdueBooks: 3n })) };
      const stranger = detail(MoneySchema, { currencyCode: "EUR" });
      throw new LibraryError(Code.FailedPrecondition, "the book is lent", [infoOf("BOOK_LENT"), why, stranger]);
    }
    case "bare":
      throw new LibraryError(Code.NotFound, "there is no such book");
    case "busy":
      throw new LibraryError(Code.ResourceExhausted, "too many readers", [
        detail(RetryInfoSchema, { retryDelay: { seconds: 7n } }),
      ]);
    case "broken":
      throw new LibraryError(Code.Internal, "row 7 of table books", [
        detail(DebugInfoSchema, { detail: "stack of the library" }),
      ]);
    case "slow":
      await sleep(20_000, undefined, { signal }).catch(() => {
        throw new LibraryError(Code.DeadlineExceeded, "too late");
      });
      return;
    default:
  }
}
