// Finds the route of a raw path. A node's place in the tree is its depth in the path, so that even full backtracking
// visits each node at most once; nothing is scanned.
import type { Template } from "./template.ts";

interface Node<Route> {
  literals: Map<string, Node<Route>>;
  star: Node<Route> | undefined;
  /** The route whose path ends here. */
  here: Route | undefined;
  /** The route that takes whatever follows, nothing included. */
  rest: Route | undefined;
}

export type Found<Route> =
  | { kind: "found"; route: Route; segments: string[] }
  | { kind: "method_not_allowed"; allow: string[] }
  | { kind: "not_found" };

export interface RoutingTree<Route> {
  /** Adds a route; gives the route that has the same method, path and verb already, where there is one. */
  add(method: string, template: Template, route: Route): Route | undefined;
  find(method: string, path: string): Found<Route>;
}

const newNode = <Route>(): Node<Route> => ({ literals: new Map(), star: undefined, here: undefined, rest: undefined });

export function createRoutingTree<Route>(): RoutingTree<Route> {
  // Method, then verb, then segments: precedence is decided within a method.
  const methods = new Map<string, Map<string, Node<Route>>>();

  function findFor(method: string, segments: string[]): { route: Route; segments: string[] } | undefined {
    const verbs = methods.get(method);
    if (!verbs) return undefined;
    const last = segments.at(-1) ?? "";
    const colon = last.lastIndexOf(":");
    if (colon >= 0) {
      const root = verbs.get(last.slice(colon + 1));
      // Only a route with that verb makes the colon more than data.
      if (root && colon + 1 < last.length) {
        const withoutVerb = [...segments.slice(0, -1), last.slice(0, colon)];
        const route = walk(root, withoutVerb, 0);
        if (route !== undefined) return { route, segments: withoutVerb };
      }
    }
    const root = verbs.get("");
    const route = root && walk(root, segments, 0);
    return route === undefined ? undefined : { route, segments };
  }

  return {
    add(method, template, route) {
      const verbs = getOrAdd(methods, method, () => new Map<string, Node<Route>>());
      let node = getOrAdd(verbs, template.verb, newNode<Route>);
      for (const segment of template.segments) {
        switch (segment.kind) {
          case "literal":
            node = getOrAdd(node.literals, segment.text, newNode<Route>);
            break;
          case "star":
            node = node.star ??= newNode<Route>();
            break;
          case "double_star": {
            const previous = node.rest;
            node.rest ??= route;
            return previous;
          }
        }
      }
      const previous = node.here;
      node.here ??= route;
      return previous;
    },

    find(method, path) {
      const segments = path === "/" ? [] : path.slice(1).split("/");
      const found = findFor(method, segments);
      if (found) return { kind: "found", ...found };
      const allow = [...methods.keys()].filter((other) => other !== method && findFor(other, segments) !== undefined);
      return allow.length > 0 ? { kind: "method_not_allowed", allow: allow.toSorted() } : { kind: "not_found" };
    },
  };
}

function walk<Route>(node: Node<Route>, segments: readonly string[], depth: number): Route | undefined {
  if (depth === segments.length) return node.here ?? node.rest;
  const segment = segments[depth] ?? "";
  const literal = node.literals.get(segment);
  if (literal) {
    const route = walk(literal, segments, depth + 1);
    if (route !== undefined) return route;
  }
  // An empty segment is nobody's id: "/v1/orders/" is not the order with the empty id.
  if (node.star && segment !== "") {
    const route = walk(node.star, segments, depth + 1);
    if (route !== undefined) return route;
  }
  return node.rest;
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
