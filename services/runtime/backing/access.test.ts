// What the settings for NATS and PostgreSQL ask for, and which of them do not fit together.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { databaseUrlOf } from "./database-url.ts";
import { readNatsAccess } from "./nats-access.ts";
import { inboxPrefixOf, natsConnectionOptions } from "./nats-url.ts";

const here = fileURLToPath(import.meta.url);

test("without settings a URL is taken as it is", () => {
  expect(databaseUrlOf({})).toBeUndefined();
  expect(databaseUrlOf({ DATABASE_URL: "postgres://me:pass@db/orders" })).toBe("postgres://me:pass@db/orders");
  expect(natsConnectionOptions("nats://one:4222", readNatsAccess({}))).toEqual({ servers: ["one:4222"] });
});

test("files make PostgreSQL's URL one that verifies", () => {
  const url = new URL(
    databaseUrlOf({
      DATABASE_URL: "postgres://me:pass@db/orders?application_name=a",
      ORDERMESH_DATABASE_CA_FILE: here,
      ORDERMESH_DATABASE_CERT_FILE: here,
      ORDERMESH_DATABASE_KEY_FILE: here,
    }) ?? "",
  );
  expect(Object.fromEntries(url.searchParams)).toEqual({
    application_name: "a",
    sslmode: "verify-full",
    sslrootcert: here,
    sslcert: here,
    sslkey: here,
  });
});

test.each([
  { env: { ORDERMESH_DATABASE_CA_FILE: "/no/ca.pem" }, want: /^ORDERMESH_DATABASE_CA_FILE cannot be read \(ENOENT/ },
  { env: { ORDERMESH_DATABASE_CA_FILE: here }, want: /DATABASE_URL is no URL: set it/ },
  {
    env: { ORDERMESH_DATABASE_CA_FILE: here, DATABASE_URL: "postgres://db/orders?sslmode=disable" },
    want: /^DATABASE_URL says sslmode=disable and .* asks for verify-full: take it out\.$/,
  },
  {
    env: { ORDERMESH_DATABASE_CERT_FILE: here },
    want: /^Set ORDERMESH_DATABASE_CERT_FILE and ORDERMESH_DATABASE_KEY_FILE together/,
  },
])("PostgreSQL: $env is refused", ({ env, want }) => {
  expect(() => databaseUrlOf(env)).toThrow(want);
});

test("the settings of NATS outrank its URL, and answers come below the user's own name", () => {
  const access = readNatsAccess({
    ORDERMESH_NATS_USER: "orders",
    ORDERMESH_NATS_PASSWORD: "secret",
    ORDERMESH_NATS_CA_FILE: "ca",
  });
  expect(natsConnectionOptions("nats://other:pass@one", access)).toEqual({
    servers: ["one"],
    user: "orders",
    pass: "secret",
    tls: { caFile: "ca", handshakeFirst: true },
    inboxPrefix: "_INBOX.orders",
  });
  expect(inboxPrefixOf("nats://a%20b:pass@one", {})).toBeUndefined();
  expect(inboxPrefixOf("nats://me:pass@one", { inboxPrefix: "_INBOX.set" })).toBe("_INBOX.set");
});

test.each([
  { env: { ORDERMESH_NATS_CERT_FILE: "a" }, want: "Set ORDERMESH_NATS_CERT_FILE and ORDERMESH_NATS_KEY_FILE together" },
  { env: { ORDERMESH_NATS_USER: "a" }, want: "Set ORDERMESH_NATS_USER and ORDERMESH_NATS_PASSWORD together" },
  {
    env: { ORDERMESH_NATS_NKEY_FILE: "a", ORDERMESH_NATS_CREDENTIALS_FILE: "b" },
    want: "Set one of ORDERMESH_NATS_USER, ORDERMESH_NATS_CREDENTIALS_FILE and ORDERMESH_NATS_NKEY_FILE, not several.",
  },
  { env: { ORDERMESH_NATS_INBOX_PREFIX: "_INBOX.>" }, want: 'ORDERMESH_NATS_INBOX_PREFIX is "_INBOX.>"; set it to a subject' },
  { env: { ORDERMESH_NATS_HANDSHAKE: "never" }, want: "set it to one of tls_first, server_first" },
])("NATS: $env is refused", ({ env, want }) => {
  expect(() => readNatsAccess(env)).toThrow(want);
});
