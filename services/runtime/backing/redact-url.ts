/** A URL fit for a log: where it points, without user, password and parameters. Several are parted by commas. */
export function redactUrl(url: string): string {
  return url.split(",").map(redactOne).join(",");
}

function redactOne(text: string): string {
  const trimmed = text.trim();
  const url = URL.parse(trimmed.includes("://") ? trimmed : `nats://${trimmed}`);
  // A path with an "@" is mostly a URL whose scheme was not written well. What cannot be parsed cannot be redacted either, so none of it is shown.
  if (url === null || url.pathname.includes("@")) return "(not a URL)";
  return `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`;
}
