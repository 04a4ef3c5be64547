// Requests that nobody should send: they are answered, never with a mistake of ours, and the path wins over whatever they say.
import { ok, strictEqual } from "node:assert/strict";
import { reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";
import { chooser } from "./choose.ts";
import type { FuzzedEdge } from "./edge.ts";
import { jsonOf } from "./json-client.ts";
import { messageArbitrary } from "./messages.ts";

const key = "of-the-path";
/** Those whose path says the key. */
const keyed = [
  "PUT /keyed/of-the-path",
  "PATCH /mixed/of-the-path",
  "GET /legacy/of-the-path",
  "GET /chosen/7/8/names/of-the-path",
];
const open = ["POST /whole", "GET /query", "POST /legacy", "POST /legacy", "GET /", "GET /scalars/1/2", "GET /chosen/x/y/z"];

const names = (edge: FuzzedEdge): string[] =>
  ["Everything", "Inner", "Legacy"].flatMap((name) =>
    edge.messageType(`edge.fuzz.v1.${name}`).fields.flatMap((field) => [field.name, field.jsonName]),
  );

const samples = fc.constantFrom(
  ..."1|-1|1e400|0x10|9007199254740993|true|null|NaN|Infinity|2026-02-30T00:00:00Z|0000-01-01T00:00:00Z|1.5s|-0s|315576000001s|a_b|A,b..c".split(
    "|",
  ),
  ..."AA==|A|%|%zz|%ff|%ED%A0%80|__proto__|constructor|[]|{}|COLOR_RED|7|-2147483649|@type|\\ud800".split("|"),
  "",
);

/** Visible ASCII, as a request line can carry it. */
const visible = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 12 });

function queries(known: readonly string[]): fc.Arbitrary<string> {
  const name = fc.oneof(
    fc.constantFrom(...known),
    fc.array(fc.constantFrom(...known, "__proto__", ""), { minLength: 2, maxLength: 4 }).map((steps) => steps.join(".")),
    visible,
  );
  const value = fc.oneof(
    samples.map(encodeURIComponent),
    samples.map((text) => text.replaceAll(/[^\x21-\x7e]/g, "")),
    visible,
  );
  return fc.array(fc.tuple(name, value), { maxLength: 4 }).map((pairs) => pairs.map((pair) => pair.join("=")).join("&"));
}

/** Bodies that are nearly right: a message, of which something is taken away or overwritten. */
function bent(edge: FuzzedEdge): fc.Arbitrary<string> {
  const messages = ["Everything", "Inner", "Legacy"].map((name) => {
    const desc = edge.messageType(`edge.fuzz.v1.${name}`);
    return fc.tuple(messageArbitrary(desc, [desc]), fc.nat()).map(([tree, seed]) => jsonOf(desc, tree, chooser(seed)));
  });
  return fc.tuple(fc.oneof(...messages), fc.nat(), fc.nat(20), samples).map(([json, at, length, put]) => {
    const parts = json.split(/(?<=[,:{}[\]])/);
    const place = at % parts.length;
    if (length < 7) return json.replace(/"(?:key|count|name)":[^,}]*,?/, "");
    return [...parts.slice(0, place), length < 14 ? JSON.stringify(put) : put, ...parts.slice(place + 1)].join("");
  });
}

function bodies(edge: FuzzedEdge, known: readonly string[]): fc.Arbitrary<string | Uint8Array | undefined> {
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(samples, fc.jsonValue({ maxDepth: 1 }), fc.double(), fc.string({ unit: "binary" })),
      fc.dictionary(fc.oneof(fc.constantFrom(...known), samples), tie("value"), { maxKeys: 4, noNullPrototype: true }),
      fc.array(tie("value"), { maxLength: 3 }),
    ),
  }));
  const text = value.map((json) => JSON.stringify(json) ?? "null");
  const cut = fc.tuple(text, fc.nat(), fc.string({ maxLength: 3 })).map(([whole, at, put]) => {
    const place = at % (whole.length + 1);
    return whole.slice(0, place) + put + whole.slice(place + put.length);
  });
  // A half of a pair, and digits that a double cannot hold, as text that JSON.stringify would not write.
  const raw = fc.tuple(
    fc.constantFrom(...known),
    fc.constantFrom('"\\ud800"', "1e999", "9007199254740993", '{"@type":"x"}', "-0", "[[]]"),
  );
  return fc.oneof(
    { weight: 5, arbitrary: bent(edge) },
    { weight: 4, arbitrary: text },
    { weight: 2, arbitrary: cut },
    { weight: 2, arbitrary: raw.map(([name, json]) => `{${JSON.stringify(name)}:${json}}`) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
}

const types = fc.oneof(
  { weight: 8, arbitrary: fc.constant("application/json") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("text/plain", "application/json; charset=utf-8", "application/json; charset=latin1", ""),
  },
);
const methods = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE");

export function hostile(edge: FuzzedEdge) {
  const known = names(edge);
  const suffix = visible.map((text) => text.replaceAll("#", ""));
  const asked = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...keyed, ...open).map((line) => line.split(" ")) },
    {
      weight: 1,
      arbitrary: fc.tuple(
        methods,
        suffix.map((text) => `/${text}`),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        methods,
        fc.tuple(fc.constantFrom(...keyed), suffix).map(([line, text]) => `${line.split(" ")[1]}${text}`),
      ),
    },
  );
  const headers = fc.record(
    { "content-type": types, "if-match": fc.constantFrom('"1"', "x", "*") },
    { requiredKeys: ["content-type"] },
  );
  return fc.asyncProperty(
    asked,
    queries(known),
    bodies(edge, known),
    headers,
    async ([method = "", path = ""], query, body, given) => {
      const target = query === "" ? path : `${path}?${query.replaceAll("#", "")}`;
      const withBody = body === undefined || ["GET", "DELETE", "OPTIONS"].includes(method) ? undefined : body;
      const { answer, heard } = await edge.ask({ method, target, headers: given, body: withBody });
      ok(answer.status < 500, `${answer.status} ${answer.body} ${edge.complaints().join("")}`);
      ok(answer.headers["x-request-id"], "no request id");
      if (answer.status >= 400) isError(answer.body);
      if (heard && keyed.includes(`${method} ${path}`)) {
        const desc = edge.messageType(heard.$typeName);
        const want = path.startsWith("/chosen") ? `names/${key}` : key;
        strictEqual(reflect(desc, heard).get(desc.fields[0] as (typeof desc.fields)[number]), want, "the path has to win");
      }
    },
  );
}

export function isError(body: string): void {
  const status = JSON.parse(body) as { code: number; message: string; details: { "@type": string; reason?: string }[] };
  ok(status.code > 0 && status.code < 17 && status.message.length > 0, body);
  ok(status.details[0]?.["@type"].endsWith("google.rpc.ErrorInfo") && status.details[0].reason, body);
}
