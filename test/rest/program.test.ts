// What the program says and does where contracts, options or the upstream are not as they should be, and how it ends.
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect as connectSocket, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { certificateFolder, type CertificateFolder } from "../support/certificates.ts";
import { freePorts } from "../support/ports.ts";
import { outputOf } from "../../tools/command.ts";
import { eventually, until } from "../support/until.ts";
import { detailOf, errorOf } from "../../services/edge/transcode/fixture/edge.ts";
import { buildImage, type BuiltImage } from "../../tools/build-image.ts";
import { spawnEdge, startEdgeProcess } from "./edge-process.ts";
import { startConnectLibrary, startGrpcLibrary } from "./servers.ts";
import { readImage } from "../../services/edge/foreign/image.ts";
import { readProgramOptions } from "../../services/edge/foreign/options.ts";
import { httpVersionOf } from "../../services/edge/foreign/protocol.ts";

let image: BuiltImage;
let certificates: CertificateFolder;
beforeAll(async () => {
  image = await buildImage([join(import.meta.dirname, "library.proto")]);
  certificates = await certificateFolder();
});
afterAll(async () => {
  await image.remove();
  await certificates.remove();
});

describe("options", () => {
  const read = (...args: string[]): unknown => readProgramOptions(args, {});
  const good = ["--descriptors", "image.binpb", "--upstream", "https://api.example/base"];

  test("have defaults", () => {
    expect(read(...good)).toMatchObject({ protocol: "auto", port: 8080, host: "127.0.0.1", services: [], requestHeaders: [] });
    expect(readProgramOptions(good, { ORDERMESH_EDGE_PORT: "9", ORDERMESH_HOST: "::" })).toMatchObject({ port: 9, host: "::" });
  });

  test.each([
    [[], "--descriptors is missing"],
    [good.slice(0, 2), "--upstream is missing"],
    [[...good, "--protocol", "soap"], '--protocol is "soap"; it is one of auto, grpc, connect'],
    [[...good.slice(0, 3), "localhost:50051"], '--upstream is "localhost:50051"; it is an address such as'],
    [[...good.slice(0, 3), "http://u:p@host"], "it is an address such as"],
    [[...good, "--port", "70000"], '--port is "70000"; it is a whole number'],
    [[...good, "--request-header", "Content-Length"], '--request-header is "Content-Length"; it is'],
    [[...good, "--response-header", "a b"], '--response-header is "a b"; it is'],
    [[...good, "--verbose"], "Unknown option '--verbose'"],
  ])("%j are refused, and how it is called is said", (args, why) => {
    expect(() => read(...args)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/npm run edge -- --descriptors/) }),
    );
    expect(() => read(...args)).toThrow(why);
  });
});

describe("images", () => {
  const broken = async (name: string, bytes: Uint8Array): Promise<string> => {
    const path = join(image.folder, name);
    await writeFile(path, bytes);
    return path;
  };

  test("have services of their own, and of what they import when it is named", async () => {
    expect((await readImage(image.path, [])).services.map(({ typeName }) => typeName)).toEqual([
      "acme.library.v1.LibraryService",
    ]);
    await expect(readImage(image.path, ["acme.library.v1.Other"])).rejects.toThrow(/has no service .*Other; it has acme/);
  });

  test("services of files that are only imported are not served unasked", async () => {
    const path = join(image.folder, "outer.proto");
    await writeFile(
      path,
      'syntax = "proto3";\npackage outer.v1;\nimport "library.proto";\nmessage A { acme.library.v1.Book b = 1; }\n',
    );
    const onlyOuter = join(image.folder, "outer.binpb");
    await outputOf("buf", ["build", image.folder, "--path", path, "-o", onlyOuter], { cwd: image.folder });
    await expect(readImage(onlyOuter, [])).rejects.toThrow("services (acme.library.v1.LibraryService), but no HTTP rule");
    expect((await readImage(onlyOuter, ["acme.library.v1.LibraryService"])).services).toHaveLength(1);
  });

  test.each([
    ["missing.binpb", undefined, /missing\.binpb does not exist\. Make it by `buf build/],
    ["empty.binpb", new Uint8Array(0), /is not an image: there is no contract in it\. Make it by/],
    ["text.binpb", Buffer.from('{"file": []}'), /is not (a whole|an) image.*Make it by/],
    ["random.binpb", Buffer.from("ffffffffffffffffff", "hex"), /is not (a whole|an) image.*Make it by/],
  ])("%s is refused", async (name, bytes, why) => {
    const path = bytes ? await broken(name, bytes) : join(image.folder, name);
    await expect(readImage(path, [])).rejects.toThrow(why);
  });

  test("one that is cut in half, and one without its imports, are refused", async () => {
    const whole = await readFile(image.path);
    await expect(readImage(await broken("half.binpb", whole.subarray(0, whole.length / 2)), [])).rejects.toThrow(
      /not a whole image/,
    );
    const bare = join(image.folder, "bare.binpb");
    const library = join(image.folder, "library.proto");
    await outputOf("buf", ["build", image.folder, "--path", library, "--exclude-imports", "-o", bare], { cwd: image.folder });
    await expect(readImage(bare, [])).rejects.toThrow(/not a whole image .*--include_imports/);
  });

  test("a file that the program cannot use ends it with 1 and one sentence", async () => {
    const edge = spawnEdge(["--descriptors", "/nowhere/image.binpb", "--upstream", "http://127.0.0.1:1"]);
    expect(await edge.ended).toBe(1);
    expect(edge.output()).toMatch(/^The file \/nowhere\/image\.binpb does not exist\. Make it by .*\n$/);
  });

  test("what cannot be served is said by method", async () => {
    const bad = join(image.folder, "bad.proto");
    const rule = 'option (google.api.http) = {get: "/v1/{nothing}"};';
    const service = `service Bad { rpc Get(A) returns (A) { ${rule} } }`;
    await writeFile(
      bad,
      `syntax = "proto3";\npackage bad.v1;\nimport "google/api/annotations.proto";\nmessage A {}\n${service}\n`,
    );
    const built = await buildImage([bad]);
    const edge = spawnEdge(["--descriptors", built.path, "--upstream", "http://127.0.0.1:1", "--port", "0"]);
    expect(await edge.ended).toBe(1);
    expect(edge.output()).toContain('bad.v1.Bad.Get: path variable "nothing" is not a field of bad.v1.A');
    await built.remove();
  });
});

describe("the upstream", () => {
  test("that is away is 503 with a reason, and is found when it comes, goes and comes again", async () => {
    const [port = 0] = await freePorts(1);
    const edge = await startEdgeProcess(["--descriptors", image.path, "--upstream", `http://127.0.0.1:${port}`]);
    const get = (): Promise<Response> => fetch(`${edge.url}/v1/shelves/1/books/2`);
    const expectAway = async (): Promise<void> => {
      const response = await get();
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("1");
      const error = await errorOf(response);
      expect(error).toMatchObject({ code: 14, message: "the service is unavailable, try again" });
      expect(detailOf(error, "ErrorInfo")).toMatchObject({ reason: "UNAVAILABLE" });
    };
    expect(edge.output()).toContain("away; calls are answered with 503 until it is there");
    await expectAway();
    await fetch(`${edge.url}/readyz`).catch(async () => console.log(edge.output(), await edge.ended));
    expect((await fetch(`${edge.url}/readyz`)).status).toBe(503);
    for (let round = 1; round <= 2; round += 1) {
      const library = await startGrpcLibrary(image, port);
      await eventually(async () => expect((await get()).status).toBe(200));
      expect((await fetch(`${edge.url}/readyz`)).status).toBe(200);
      await library.close();
      await expectAway();
    }
    edge.signal("SIGINT");
    expect(await edge.ended).toBe(0);
  });

  test("that hangs up in the middle of a call is 503, and not a conflict", async () => {
    const rude = createServer((request) => void request.socket.destroy());
    await new Promise<void>((resolve) => rude.listen(0, "127.0.0.1", () => resolve()));
    const address = rude.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    const edge = await startEdgeProcess(["--descriptors", image.path, "--upstream", url, "--protocol", "connect"]);
    expect((await fetch(`${edge.url}/v1/shelves/1/books/2`)).status).toBe(503);
    edge.signal("SIGTERM");
    expect(await edge.ended).toBe(0);
    rude.close();
  });

  test("speaks HTTP/2 under TLS, if its certificate is trusted", async () => {
    const { certificate, key } = await certificates.issue({});
    const ca = join(image.folder, "ca.pem");
    await writeFile(ca, certificates.authority.certificate);
    const library = await startConnectLibrary(image, { key, cert: certificate });
    const args = ["--descriptors", image.path, "--upstream", library.url];
    const trusting = await startEdgeProcess(args, { NODE_EXTRA_CA_CERTS: ca });
    expect(trusting.output()).toContain("gRPC over HTTP/2");
    expect((await fetch(`${trusting.url}/v1/shelves/1/books/2`)).status).toBe(200);
    const byConnect = await startEdgeProcess([...args, "--protocol", "connect"], { NODE_EXTRA_CA_CERTS: ca });
    expect(byConnect.output()).toContain("Connect over HTTP/2");
    expect((await fetch(`${byConnect.url}/v1/shelves/1/books/2`)).status).toBe(200);
    const wary = await startEdgeProcess([...args, "--protocol", "grpc"]);
    expect((await fetch(`${wary.url}/v1/shelves/1/books/2`)).status).toBe(503);
    for (const edge of [trusting, byConnect, wary]) edge.signal("SIGTERM");
    for (const edge of [trusting, byConnect, wary]) expect(await edge.ended).toBe(0);
    await library.close();
  });

  test("that takes connections and says nothing is away, not of HTTP/1.1", async () => {
    const mute = createTcpServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", () => resolve()));
    const address = mute.address();
    const url = new URL(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    await expect(httpVersionOf(url)).rejects.toThrow("no answer within 3 s");
    mute.close();
  });
});

describe("the end", () => {
  test("lets a call finish that is under way", async () => {
    const library = await startConnectLibrary(image);
    const edge = await startEdgeProcess(["--descriptors", image.path, "--upstream", library.url]);
    const slow = fetch(`${edge.url}/v1/shelves/1/books/slow`, { headers: { "x-server-timeout": "1" } });
    await until(() => library.heard.length > 0);
    edge.signal("SIGTERM");
    await eventually(async () => {
      const { port } = new URL(edge.url);
      const refused = await new Promise((resolve) => {
        const socket = connectSocket(Number(port), "127.0.0.1");
        socket.once("error", () => resolve(true)).once("connect", () => resolve(false));
      });
      expect(refused).toBe(true);
    });
    expect((await slow).status).toBe(504);
    expect(await edge.ended).toBe(0);
    await library.close();
  });
});
