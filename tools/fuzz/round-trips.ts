// What a client has put into a request is what the service hears, whichever way it went: by the body, by the query, by the path.
import { deepStrictEqual } from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";
import { chooser, type Choose } from "./choose.ts";
import type { FuzzedEdge, Question } from "./edge.ts";
import { jsonOf } from "./json-client.ts";
import { messageArbitrary } from "./messages.ts";
import { canonOfMessage, canonOfTree, type Tree } from "./neutral.ts";
import { queryOf, segmentOf } from "./query-client.ts";

const json = { "content-type": "application/json" };
const seeds = fc.nat();

/** Sends, and compares what was heard with what was said; the answer, sent again, has to be heard as the same. */
async function hears(edge: FuzzedEdge, desc: DescMessage, question: Question, said: Tree): Promise<string> {
  const { answer, heard } = await edge.ask(question);
  deepStrictEqual([answer.status, answer.status === 200 ? "" : answer.body], [200, ""]);
  deepStrictEqual(heard && canonOfMessage(reflect(desc, heard)), canonOfTree(desc, said));
  return answer.body;
}

export function roundTrips(edge: FuzzedEdge) {
  const everything = edge.messageType("edge.fuzz.v1.Everything");
  const inner = edge.messageType("edge.fuzz.v1.Inner");
  const legacy = edge.messageType("edge.fuzz.v1.Legacy");
  const contents = [
    inner,
    ...["Duration", "Timestamp", "StringValue", "Empty"].map((name) => edge.messageType(`google.protobuf.${name}`)),
  ];
  const trees = messageArbitrary(everything, contents);
  const inners = messageArbitrary(inner, contents);
  const legacies = messageArbitrary(legacy, contents);

  const body = fc.asyncProperty(trees, seeds, async (tree, seed) => {
    const choose = chooser(seed);
    const again = await hears(
      edge,
      everything,
      { method: "POST", target: "/whole", headers: json, body: jsonOf(everything, tree, choose) },
      tree,
    );
    if (choose(4) === 0) await hears(edge, everything, { method: "POST", target: "/whole", headers: json, body: again }, tree);
  });

  const query = fc.asyncProperty(trees, seeds, async (tree, seed) => {
    const { pairs, said } = queryOf(everything, tree, chooser(seed));
    await hears(edge, everything, { method: "GET", target: `/query?${pairs.join("&")}` }, said);
  });

  const mixed = fc.asyncProperty(
    trees,
    inners,
    fc.string({ unit: "binary", minLength: 1, maxLength: 9 }),
    seeds,
    async (tree, part, key, seed) => {
      const choose = chooser(seed);
      const { pairs, said } = queryOf(everything, tree, choose, ["key", "inner"]);
      const target = `/mixed/${encodeURIComponent(key)}?${pairs.join("&")}`;
      const question = { method: "PATCH", target, headers: json, body: jsonOf(inner, part, choose) };
      await hears(edge, everything, question, { ...said, inner: part, key });
    },
  );

  const scalars = pathProperty(edge, everything);

  const older = fc.asyncProperty(legacies, seeds, async (tree, seed) => {
    const choose = chooser(seed);
    const text = jsonOf(legacy, tree, choose);
    const again = await hears(edge, legacy, { method: "POST", target: "/legacy", headers: json, body: text }, tree);
    await hears(edge, legacy, { method: "POST", target: "/legacy", headers: json, body: again }, tree);
  });

  return { body, query, mixed, scalars, older };
}

/** Fields of the path of Scalars, in its sequence. */
const pathFields = [
  "double_value float_value int32_value int64_value uint32_value uint64_value sint32_value sint64_value fixed32_value fixed64_value",
  "sfixed32_value sfixed64_value bool_value string_value bytes_value color maybe_int64 inner.name inner.inner.count number_as_text",
].flatMap((line) => line.split(" "));

function pathProperty(edge: FuzzedEdge, everything: DescMessage) {
  const leaves = pathFields.map((path) => leafOf(everything, path));
  const values = leaves.map(({ parent, name }) => {
    const field = parent.fields.find((candidate) => candidate.name === name);
    if (!field) throw new Error(`no field ${name}`);
    const only = { ...parent, fields: [{ ...field, presence: 3 }] } as unknown as DescMessage;
    // An empty segment is nobody's id.
    return messageArbitrary(only, [])
      .map((tree) => ({ field, value: tree[name] }))
      .filter(({ value }) => !isEmpty(value));
  });
  return fc.asyncProperty(fc.tuple(...values), seeds, async (given, seed) => {
    const choose: Choose = chooser(seed);
    const said: Tree = {};
    for (const [index, { value }] of given.entries()) setAt(said, pathFields[index] ?? "", value);
    const target = `/scalars/${given.map(({ field, value }) => segmentOf(field, value, choose)).join("/")}`;
    await hears(edge, everything, { method: "GET", target }, said);
  });
}

const isEmpty = (value: unknown): boolean => value === "" || (value instanceof Uint8Array && value.length === 0);

function leafOf(desc: DescMessage, path: string): { parent: DescMessage; name: string } {
  const [name = "", ...rest] = path.split(".");
  const field = desc.fields.find((candidate) => candidate.name === name);
  return rest.length > 0 && field?.message ? leafOf(field.message, rest.join(".")) : { parent: desc, name };
}

function setAt(tree: Tree, path: string, value: unknown): void {
  const [name = "", ...rest] = path.split(".");
  if (rest.length === 0) tree[name] = value;
  else setAt((tree[name] ??= {}) as Tree, rest.join("."), value);
}
