// Secrets that have found their way into a line of the log are taken out of it as it is written, wherever they stand in it.
// The patterns are bounded, so that a line that somebody has made for it takes no longer than others of its length.

const censor = "[redacted]";

/** Names of fields and parameters that hold a secret. */
const words = "authorization|password|passwd|secret|token|api[_-]?key|private[_-]?key|cookie|credential";
const secretName = `[\\w-]{0,64}(?:${words})[\\w-]{0,64}`;
/** Fields at any depth of the line, and of JSON that stands in a text. */
const fields = new RegExp(`"(${secretName})":(?:"(?:[^"\\\\]|\\\\.)*"|\\[[^\\]]*\\])`, "gi");
const quotedFields = new RegExp(`\\\\"(${secretName})\\\\":\\s*\\\\"[^"\\\\]*`, "gi");
/** Parameters of a URL, or of a form. */
const parameters = new RegExp(`([?&;"](?:${secretName}|code|signature))=[^\\s"'&;#\\\\]*`, "gi");
/** Credentials of an Authorization header (RFC 9110, 11.6.2), and a token by its form (RFC 7519, 3). */
const credentials = /\b(Bearer|Basic|DPoP)\s+[\w.~+/=-]+/gi;
const signedTokens = /\beyJ[\w-]{1,4096}\.[\w-]{1,4096}\.[\w-]{0,4096}/g;
/** User and password of a URL (RFC 3986, 3.2.1), also where the password holds what a URL would have encoded. */
const userInfo = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s"'/?#]*@/gi;

/** Nearly every line has none of these, and a line is written at each call: to look for them takes a tenth of the rest. */
const mayHoldSecret = new RegExp(`${words}|bearer|basic|dpop|eyJ|[@=]`, "i");

/** The line without secrets; still JSON where it was. */
export function redact(line: string): string {
  if (!mayHoldSecret.test(line)) return line;
  return line
    .replaceAll(fields, `"$1":"${censor}"`)
    .replaceAll(quotedFields, `\\"$1\\":\\"${censor}`)
    .replaceAll(parameters, `$1=${censor}`)
    .replaceAll(credentials, `$1 ${censor}`)
    .replaceAll(signedTokens, censor)
    .replaceAll(userInfo, `$1${censor}@`);
}
