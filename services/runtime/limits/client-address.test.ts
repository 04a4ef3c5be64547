// Whose address a request has, also where others lie about it.
import { describe, expect, test } from "vitest";
import { StartupError } from "../backing/startup-error.ts";
import { addressKey, clientAddress, readTrustedProxies } from "./client-address.ts";

const trusting = (list: string) => readTrustedProxies({ ORDERMESH_TRUSTED_PROXIES: list });
const nobody = trusting("");
const proxies = trusting("10.0.0.0/8, 192.0.2.7 ,2001:db8:1::/48");

test.each([
  { what: "nobody is trusted", trusts: nobody, peer: "10.0.0.1", said: "203.0.113.9", want: "10.0.0.1" },
  { what: "the peer is none of ours", trusts: proxies, peer: "198.51.100.1", said: "203.0.113.9", want: "198.51.100.1" },
  { what: "one proxy", trusts: proxies, peer: "10.0.0.1", said: "203.0.113.9", want: "203.0.113.9" },
  { what: "a proxy that says nothing", trusts: proxies, peer: "10.0.0.1", said: undefined, want: "10.0.0.1" },
  { what: "two proxies", trusts: proxies, peer: "10.0.0.1", said: "203.0.113.9, 192.0.2.7", want: "203.0.113.9" },
  {
    what: "a client that writes hops before",
    trusts: proxies,
    peer: "10.0.0.1",
    said: "1.1.1.1, 10.9.9.9, 203.0.113.9",
    want: "203.0.113.9",
  },
  { what: "a client that is a proxy's neighbour", trusts: proxies, peer: "10.0.0.1", said: "10.0.0.5", want: "10.0.0.5" },
  { what: "a hop that is no address", trusts: proxies, peer: "10.0.0.1", said: "203.0.113.9, unknown", want: "10.0.0.1" },
  { what: "an empty hop", trusts: proxies, peer: "10.0.0.1", said: "203.0.113.9,", want: "10.0.0.1" },
  { what: "a port", trusts: proxies, peer: "10.0.0.1", said: "203.0.113.9:4711", want: "203.0.113.9" },
  { what: "IPv6 with a port", trusts: proxies, peer: "2001:db8:1::1", said: "[2001:db8:9::7]:443", want: "2001:db8:9::7" },
  { what: "IPv4 in IPv6", trusts: proxies, peer: "::ffff:10.0.0.1", said: "::ffff:203.0.113.9", want: "203.0.113.9" },
  { what: "a peer that is gone", trusts: proxies, peer: "unknown", said: "203.0.113.9", want: "unknown" },
])("$what: $want", ({ trusts, peer, said, want }) => {
  expect(clientAddress(peer, said, trusts)).toBe(want);
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8::5:6:7:8:9", "2001:db8:0:5::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
])("%s is counted as %s", (address, want) => {
  expect(addressKey(address)).toBe(want);
});

describe("a list that cannot be read stops the start", () => {
  test.each(["10.0.0.0/33", "10.0.0.0/8/8", "10.0.0.0/", "proxy.example.com", "10.0.0", "2001:db8::/129"])("%s", (list) => {
    expect(() => trusting(list)).toThrow(StartupError);
    expect(() => trusting(list)).toThrow(`ORDERMESH_TRUSTED_PROXIES has "${list}"; set it to`);
  });
});
