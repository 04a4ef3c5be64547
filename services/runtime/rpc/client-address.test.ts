import { describe, expect, test } from "vitest";
import { clientAddress, readTrustedProxies } from "./client-address.ts";

const trusts = readTrustedProxies({ ORDERMESH_TRUSTED_PROXIES: "10.0.0.7, 10.1.0.0/16,2001:db8::/32" });
const trustsNobody = readTrustedProxies({});

describe("the address of a caller", () => {
  test.each([
    { why: "the connection's own", peer: "192.0.2.1", header: null, want: "192.0.2.1" },
    { why: "without the mapping of IPv4", peer: "::ffff:192.0.2.1", header: null, want: "192.0.2.1" },
    { why: "what a trusted proxy says", peer: "10.0.0.7", header: "192.0.2.1", want: "192.0.2.1" },
    { why: "behind two trusted proxies", peer: "10.1.2.3", header: "192.0.2.1, 10.0.0.7", want: "192.0.2.1" },
    { why: "not what stands before it", peer: "10.0.0.7", header: "198.51.100.9, 192.0.2.1", want: "192.0.2.1" },
    { why: "not what a stranger says", peer: "192.0.2.1", header: "198.51.100.9", want: "192.0.2.1" },
    { why: "the proxy's where it says nothing", peer: "10.0.0.7", header: null, want: "10.0.0.7" },
    { why: "the proxy's where it says no address", peer: "10.0.0.7", header: "unknown", want: "10.0.0.7" },
    { why: "of IPv6 as well", peer: "2001:db8::1", header: "2001:4860::5", want: "2001:4860::5" },
    { why: "what our own edge says in this process", peer: "process", header: "192.0.2.1", want: "192.0.2.1" },
  ])("is $why", ({ peer, header, want }) => {
    expect(clientAddress(peer, header, trusts)).toBe(want);
  });

  test("is the other end of the connection where nobody is trusted", () => {
    expect(clientAddress("10.0.0.7", "192.0.2.1", trustsNobody)).toBe("10.0.0.7");
  });
});

test.each(["edge.example.com", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0.0/", ""].map((entry) => `10.0.0.7,${entry}`))(
  "a list that holds something else does not start: %s",
  (list) => {
    expect(() => readTrustedProxies({ ORDERMESH_TRUSTED_PROXIES: list })).toThrow(/ORDERMESH_TRUSTED_PROXIES/);
  },
);
