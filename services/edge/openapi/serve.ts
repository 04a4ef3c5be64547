// GET /openapi.json: the contracts as a document of OpenAPI, which `npm run generate` writes; GET /docs: a page that shows it, and
// from which its calls can be made.
import { serveFiles, type StaticEndpoint, type StaticFile } from "../static-file.ts";

/** The page runs the scripts that we give and talks to this edge alone. Swagger UI writes styles and small images itself. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const ofPage = (name: string): URL => new URL(`./page/${name}`, import.meta.url);
const ofLibrary = (name: string): URL => new URL(import.meta.resolve(`swagger-ui-dist/${name}`));

const page: readonly StaticFile[] = [
  {
    path: "/docs",
    file: ofPage("index.html"),
    contentType: "text/html; charset=utf-8",
    headers: { "content-security-policy": pagePolicy },
  },
  { path: "/docs/start.js", file: ofPage("start.js"), contentType: "text/javascript; charset=utf-8" },
  {
    path: "/docs/swagger-ui-bundle.js",
    file: ofLibrary("swagger-ui-bundle.js"),
    contentType: "text/javascript; charset=utf-8",
  },
  { path: "/docs/swagger-ui.css", file: ofLibrary("swagger-ui.css"), contentType: "text/css; charset=utf-8" },
];

/** @throws StartupError where a file cannot be read. */
export const createOpenapiEndpoint = (document: URL): StaticEndpoint =>
  serveFiles([{ path: "/openapi.json", file: document, contentType: "application/json" }, ...page]);
