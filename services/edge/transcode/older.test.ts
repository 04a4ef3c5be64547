// Contracts of proto2: required fields, closed enums, groups, defaults.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { errorOf, startTestEdge, violatedFields, type TestEdge } from "./fixture/edge.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await startTestEdge(
    [serviceOf(await compileContracts(), "edge.fixture.v1.OlderService")],
    (_method, request) => request,
  );
});
beforeEach(() => void (edge.heard.length = 0));
afterAll(() => edge.close(1_000));

const post = (body: string): Promise<Response> =>
  fetch(`${edge.url}/older`, { method: "POST", body, headers: { "content-type": "application/json" } });

test.each([
  ["", ["key"]],
  ["{}", ["key"]],
  ['{"number": 1}', ["key"]],
  ['{"key": "a", "part": {}}', ["part.count"]],
  ['{"inners": [{"key": "a"}, {}], "byName": {"x": {}}}', ["key", "inners[1].key", 'by_name["x"].key']],
])("%s lacks %j", async (body, fields) => {
  const response = await post(body);
  expect(response.status).toBe(400);
  expect(violatedFields(await errorOf(response))).toEqual(fields);
  expect(edge.heard).toEqual([]);
});

test("the path gives what is required", async () => {
  expect((await fetch(`${edge.url}/older/a?closed=2&part.count=3`)).status).toBe(200);
  expect(edge.heard[0]?.request).toEqual({ key: "a", closed: "CLOSED_TWO", part: { count: "3" } });
});

test.each(['{"key": "a", "closed": 3}', '{"key": "a", "closed": "CLOSED_THREE"}'])(
  "%s is no value of a closed enum",
  async (body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(violatedFields(await errorOf(response))).toEqual(["closed"]);
  },
);

test("an empty text is there where it is required, and a default is not sent", async () => {
  const response = await post('{"key": ""}');
  expect(await response.json()).toMatchObject({ key: "" });
  expect(edge.heard[0]?.request).toEqual({ key: "" });
});
