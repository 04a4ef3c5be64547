// The tables of identity. Their statements are in this room; nothing else names a column.
export interface IdentityTables {
  tenant: unknown;
  signing_key: unknown;
  client: unknown;
  client_secret: unknown;
  account: unknown;
  sign_in_attempts: unknown;
  session: unknown;
  refresh_token: unknown;
  revocation: unknown;
  stream_ticket: unknown;
}
