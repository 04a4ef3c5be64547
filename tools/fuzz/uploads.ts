// Client streams: files as they are and in forms, and lines of JSON, in parts of any size. What was said is what is heard, and what
// is no whole form is refused.
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";
import type { HttpBody } from "#gen/google/api/httpbody_pb.ts";
import { chooser, type Choose } from "./choose.ts";
import type { FuzzedEdge } from "./edge.ts";
import { isError } from "./hostile.ts";
import { jsonOf } from "./json-client.ts";
import { messageArbitrary } from "./messages.ts";
import { canonOfMessage, canonOfTree } from "./neutral.ts";

const boundary = "what-no-file-says";
const type = "image/x-fuzz";
const formType = `multipart/form-data; boundary=${boundary}`;
const linesType = "application/x-ndjson";

const texts = fc.string({ unit: "binary", maxLength: 9 });
const keys = fc.string({ unit: "binary", minLength: 1, maxLength: 9 });
const seeds = fc.nat();

/** Now and then with what nearly ends a part of a form: the boundary as far as it goes without its last letter. */
const files = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.nat(boundary.length - 1).map((length) => Buffer.from(`\r\n--${boundary.slice(0, length)}`)),
      fc.nat(70_000).map((length) => Buffer.alloc(length, 0x2d)),
    ),
    { maxLength: 3 },
  )
  .map((parts) => Buffer.concat(parts));

const said = fc.record({
  note: texts,
  count: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  tags: fc.array(texts, { maxLength: 2 }),
});
type Said = typeof said extends fc.Arbitrary<infer Value> ? Value : never;

/** As RFC 7578 has it, written by hand. */
function formOf(file: Buffer, given: { before: [string, string][]; behind: [string, string][] }): Buffer {
  const field = ([name, value]: [string, string]): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\ncontent-type: ${type}\r\n\r\n`;
  const [before, behind] = [given.before.map(field).join(""), given.behind.map(field).join("")];
  return Buffer.concat([Buffer.from(before + head), file, Buffer.from(`\r\n${behind}--${boundary}--\r\n`)]);
}

/** In parts of any size. */
function cut(whole: Buffer, choose: Choose): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < whole.length;) {
    const end = start + 1 + choose(choose(2) === 0 ? 20 : 40_000);
    parts.push(whole.subarray(start, end));
    start = end;
  }
  return parts;
}

/** Each by the query, by a field before the file or by one behind it. */
function spread({ note, count, tags }: Said, choose: Choose): Record<"query" | "before" | "behind", [string, string][]> {
  const places = { query: [], before: [], behind: [] } as Record<"query" | "before" | "behind", [string, string][]>;
  const put = (name: string, values: string[]): void => {
    const place = (["query", "before", "behind"] as const)[choose(3)] ?? "query";
    for (const value of values) places[place].push([name, value]);
  };
  put("note", [note]);
  put("count", [String(count)]);
  put("tags", tags);
  return places;
}

const queryText = (pairs: readonly [string, string][]): string =>
  pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");

export function uploads(edge: FuzzedEdge) {
  const piece = edge.messageType("edge.fuzz.v1.Piece");
  const everything = edge.messageType("edge.fuzz.v1.Everything");
  const trees = messageArbitrary(everything, [edge.messageType("edge.fuzz.v1.Inner")]).map((tree) => ({
    ...tree,
    key: undefined,
  }));

  const pieces = fc.asyncProperty(files, said, keys, seeds, async (file, fields, key, seed) => {
    const choose = chooser(seed);
    const isForm = choose(2) === 0;
    const { query, before, behind } = spread(fields, choose);
    const pairs = isForm ? query : [...query, ...before, ...behind];
    const { answer, stream } = await edge.ask({
      method: "PUT",
      target: `/pieces/${encodeURIComponent(key)}?${queryText(pairs)}`,
      headers: { "content-type": isForm ? formType : type },
      body: cut(isForm ? formOf(file, { before, behind }) : file, choose),
    });
    deepStrictEqual([answer.status, answer.status === 200 ? "" : answer.body], [200, ""]);
    const contents = stream.flatMap((message) => (message as unknown as { content?: HttpBody }).content ?? []);
    ok(Buffer.concat(contents.map(({ data }) => data)).equals(file), "the file is another one");
    deepStrictEqual(new Set(contents.map(({ contentType }) => contentType)), new Set([type]));
    const told = stream.map((message) => {
      const { content: _, ...rest } = canonOfMessage(reflect(piece, message)) as Record<string, unknown>;
      return rest;
    });
    deepStrictEqual(Object.assign({}, ...told), canonOfTree(piece, { key, ...fields }));
  });

  const lines = fc.asyncProperty(fc.array(trees, { maxLength: 4 }), keys, seeds, async (given, key, seed) => {
    const choose = chooser(seed);
    const text = given.map((tree) => {
      const line = jsonOf(everything, tree, choose).replaceAll("\n", " ");
      return `${choose(4) === 0 ? "\n" : ""}${line}${choose(4) === 0 ? "\r\n" : "\n"}`;
    });
    const whole = choose(2) === 0 ? text.join("") : text.join("").replace(/\r?\n$/, "");
    const target = `/lines/${encodeURIComponent(key)}`;
    const headers = { "content-type": linesType };
    const { answer, stream } = await edge.ask({ method: "POST", target, headers, body: cut(Buffer.from(whole), choose) });
    deepStrictEqual([answer.status, answer.status === 200 ? "" : answer.body], [200, ""]);
    deepStrictEqual(
      stream.map((message) => canonOfMessage(reflect(everything, message))),
      given.map((tree) => canonOfTree(everything, { ...tree, key })),
    );
  });

  return { pieces, lines, brokenUploads: brokenUploads(edge) };
}

/** Forms and lines of which something is taken away, overwritten or said otherwise. */
function brokenUploads(edge: FuzzedEdge) {
  const key = "of-the-path";
  const names = fc.constantFrom("note", "count", "tags", "key", "content", "content.data", "other", "", "__proto__");
  const pairs = fc.array(fc.tuple(names, fc.oneof(texts, fc.constantFrom("1", "x"))), { maxLength: 3 });
  const form = fc.tuple(files, pairs, pairs).map(([file, before, behind]) => formOf(file, { before, behind }));
  const line = fc.constantFrom('{"key":"other"}', '{"int32Value":1}', "{", "[]", "7", '{"nothing":1}', "", "\u0000", '"\\ud800"');
  const text = fc.array(line, { maxLength: 4 }).map((all) => Buffer.from(all.join("\n")));
  const types = fc.constantFrom(formType, formType, linesType, "multipart/form-data", `${formType}x`, type, "application/json");
  const places = fc.constantFrom(`PUT /pieces/${key}`, `POST /lines/${key}`);
  return fc.asyncProperty(
    places,
    fc.oneof(form, text),
    types,
    texts,
    pairs,
    seeds,
    async (line, whole, given, put, query, seed) => {
      const choose = chooser(seed);
      const [method = "", path = ""] = line.split(" ");
      const at = choose(whole.length + 1);
      const bent = [
        whole,
        whole.subarray(0, at),
        Buffer.concat([whole.subarray(0, at), Buffer.from(put), whole.subarray(at)]),
        Buffer.concat([whole.subarray(0, at), Buffer.from(put), whole.subarray(at + put.length)]),
      ][choose(4)] as Buffer;
      const target = choose(2) === 0 ? path : `${path}?${queryText(query)}`;
      const { answer, stream } = await edge.ask({ method, target, headers: { "content-type": given }, body: cut(bent, choose) });
      ok(answer.status < 500, `${answer.status} ${answer.body} ${edge.complaints().join("")}`);
      if (answer.status >= 400) isError(answer.body);
      for (const [index, message] of stream.entries()) {
        const heard = (message as unknown as { key: string }).key;
        // What a form says behind its file has a message without what the path says.
        if (path.startsWith("/lines") || index === 0) strictEqual(heard, key, "the path has to win");
        else ok(heard === "" || heard === key, "the path has to win");
      }
    },
  );
}
