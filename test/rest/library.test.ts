// A contract of somebody else, served by the edge as a program, over real servers that share no code with it.
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/until.ts";
import { detailOf, errorOf } from "../../services/edge/transcode/fixture/edge.ts";
import { buildImage, type BuiltImage } from "../../tools/build-image.ts";
import { startEdgeProcess, type EdgeProcess } from "./edge-process.ts";
import { startConnectLibrary, startGrpcLibrary, type LibraryServer } from "./servers.ts";

let image: BuiltImage;
beforeAll(async () => {
  image = await buildImage([join(import.meta.dirname, "library.proto")]);
});
afterAll(() => image.remove());

describe.each([
  { server: "gRPC by grpc-js", start: startGrpcLibrary, speaks: "gRPC over HTTP/2" },
  { server: "Connect by connect-node", start: startConnectLibrary, speaks: "Connect over HTTP/1.1" },
])("$server", ({ start, speaks }) => {
  let library: LibraryServer;
  let edge: EdgeProcess;

  beforeAll(async () => {
    library = await start(image);
    const travels = ["--request-header", "X-Reader", "--response-header", "x-shelf"];
    edge = await startEdgeProcess(["--descriptors", image.path, "--upstream", library.url, ...travels]);
  });
  beforeEach(() => void (library.heard.length = 0));
  afterAll(async () => {
    edge.signal("SIGTERM");
    await edge.ended;
    await library.close();
  });

  const ask = (target: string, init?: RequestInit): Promise<Response> => fetch(edge.url + target, init);
  const send = (method: string, target: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    ask(target, { method, body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });

  test("is found out and said", async () => {
    expect(edge.output()).toContain(`upstream  ${library.url}: ${speaks}\n`);
    expect(edge.output()).toContain("serves    acme.library.v1.LibraryService\n");
    expect(await (await ask("/readyz")).json()).toEqual({ ready: true, checks: { upstream: speaks } });
  });

  test("a name of several segments", async () => {
    const response = await ask("/v1/shelves/1/books/a%20b");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ name: "shelves/1/books/a b", genre: "GENRE_NOVEL", pages: "474", tags: [] });
  });

  test("a body with every kind of field, and a query beside it", async () => {
    const book = {
      title: "Эмма",
      genre: "GENRE_NOVEL",
      pages: "9007199254740993",
      publishTime: "1815-12-23T00:00:00.500Z",
      loanPeriod: "3600.250s",
      price: 1.5,
      tags: ["a", "b"],
      copies: { main: 2 },
      cover: "AAEC/w==",
      floor: -1,
      extra: { "@type": "type.googleapis.com/google.protobuf.Duration", value: "3s" },
    };
    const response = await send("POST", "/v1/shelves/1/books?book_id=emma", book, { "idempotency-key": "once" });
    expect(response.status).toBe(200);
    expect(library.heard[0]?.request).toMatchObject({ parent: "shelves/1", bookId: "emma", requestId: "once" });
    const answered: unknown = await response.json();
    // What the server keeps of a message of another library than ours comes back as what it was.
    expect(answered).toMatchObject(book);
  });

  test("PATCH changes what the body names", async () => {
    await send("PATCH", "/v1/shelves/1/books/2", { title: "", pages: 3 });
    expect(JSON.stringify(library.heard[0]?.request)).toMatch(/"updateMask":(?:\{"paths":\["title","pages"\]\}|"title,pages")/);
  });

  test("queries of nested messages", async () => {
    const query = "filter.genre=2&filter.tags=x&filter.tags=y&page_size=5&filter.publishedAfter=2020-01-01T00:00:00Z";
    const response = await ask(`/v1/shelves/1/books?${query}`);
    expect(await response.json()).toMatchObject({ books: [{ name: "one" }, { pages: "9007199254740993" }], nextPageToken: "" });
    const heard = library.heard[0]?.request;
    expect(heard).toMatchObject({ parent: "shelves/1", pageSize: 5, filter: { genre: "GENRE_POETRY", tags: ["x", "y"] } });
  });

  test("an answer without fields", async () => {
    const response = await ask("/v1/shelves/1/books/2", { method: "DELETE" });
    expect({ status: response.status, body: await response.text() }).toEqual({ status: 200, body: "{}" });
  });

  test("headers travel as far as they are told to", async () => {
    const headers = { authorization: "Bearer t", "x-reader": "ada", "x-other": "no", cookie: "a=b", "x-server-timeout": "5" };
    const response = await ask("/v1/shelves/1/books/2", { headers });
    expect(response.headers.get("x-shelf")).toBe("12");
    const heard = library.heard[0]?.headers ?? {};
    expect(heard).toMatchObject({ authorization: "Bearer t", "x-reader": "ada" });
    expect(Object.keys(heard)).not.toEqual(expect.arrayContaining(["x-other"]));
    expect(heard["cookie"]).toBeUndefined();
    expect(Number(heard["deadline-ms"])).toBeGreaterThan(3_000);
    expect(Number(heard["deadline-ms"])).toBeLessThanOrEqual(5_000);
  });

  test("errors keep reason and details, also those that only the foreign contract has", async () => {
    const response = await ask("/v1/shelves/1/books/lent");
    expect(response.status).toBe(400);
    const { code, message, details } = await errorOf(response);
    expect({ code, message }).toEqual({ code: 9, message: "the book is lent" });
    expect(details).toEqual([
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "BOOK_LENT",
        domain: "library.acme.example",
        metadata: { a: "b" },
      },
      { "@type": "type.googleapis.com/acme.library.v1.LoanRefused", reader: "ada", overdueBooks: "3" },
    ]);
  });

  test("an error without details has a reason here", async () => {
    const response = await ask("/v1/shelves/1/books/bare");
    expect(response.status).toBe(404);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: 5, message: "there is no such book" });
    expect(detailOf(error, "ErrorInfo")).toMatchObject({ reason: "NOT_FOUND" });
  });

  test("a wait that the upstream asks for is the header's", async () => {
    const response = await ask("/v1/shelves/1/books/busy");
    expect({ status: response.status, after: response.headers.get("retry-after") }).toEqual({ status: 429, after: "7" });
  });

  test("what an upstream says of its insides stays here, and in the log", async () => {
    const response = await ask("/v1/shelves/1/books/broken", { headers: { "x-request-id": `broken-${speaks.length}` } });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).toContain("internal error");
    expect(text).not.toMatch(/row 7|stack of/);
    await eventually(() => expect(edge.output()).toMatch(new RegExp(`row 7.*broken-${speaks.length}`)));
  });

  test("a deadline ends the call at the upstream, too", async () => {
    const response = await ask("/v1/shelves/1/books/slow", { headers: { "x-server-timeout": "0.2" } });
    expect(response.status).toBe(504);
    await eventually(() => expect(library.heard[0]?.signal.aborted).toBe(true));
  });

  test("server streams, and errors at their end", async () => {
    const lines = (await (await ask("/v1/shelves/1:watch?page_size=3")).text()).trimEnd().split("\n");
    expect(lines.slice(0, 2).map((line) => (JSON.parse(line) as { name: string }).name)).toEqual(["first", "second"]);
    const last = JSON.parse(lines[2] ?? "") as { error: object };
    expect(last.error).toMatchObject({ code: 10, message: "the shelf was moved", details: [{ reason: "SHELF_MOVED" }] });
    const events = await (await ask("/v1/shelves/1:watch", { headers: { accept: "text/event-stream" } })).text();
    expect(events).toMatch(/^data: \{"name":"first".*\n\ndata: .*\n\nevent: end\n/);
  });

  test("bytes of an HttpBody", async () => {
    const page = await ask("/v1/shelves/1/books/2/pages/3");
    expect({ type: page.headers.get("content-type"), body: await page.text() }).toEqual({
      type: "text/html",
      body: "<p>shelves/1/books/2/pages/3</p>",
    });
    const file = await ask("/v1/shelves/1/books/2:download");
    expect({ type: file.headers.get("content-type"), body: await file.text() }).toEqual({
      type: "application/pdf",
      body: "one two",
    });
  });
});
