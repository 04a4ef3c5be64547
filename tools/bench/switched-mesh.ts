// The mesh, in which SIGUSR2 switches the verification of tokens off and on: the same process is measured with it and without.
import { createLogger } from "#runtime/log.ts";
import { serviceCaller } from "#runtime/access/caller.ts";
import { startMesh } from "../../services/mesh.ts";

const operator = {
  ...serviceCaller("demo"),
  subject: "operator",
  clientId: "operator",
  roles: ["operator"] as const,
  scopes: new Set(["orders:write"]),
};
let isVerifying = true;
process.on("SIGUSR2", () => void (isVerifying = !isVerifying));

const mesh = await startMesh({
  env: process.env,
  only: [],
  log: createLogger({ level: "silent" }),
  onProgress: () => {},
  // Without verification, every token is taken for good, an operator's.
  aroundVerify: (verify) => (token) => (isVerifying ? verify(token) : Promise.resolve(operator)),
});
process.once("SIGINT", () => void mesh.close().then(() => process.exit(0)));
console.log(`  REST        http://127.0.0.1:${mesh.edgePort}\n  RPC         http://127.0.0.1:${mesh.rpcPort}\nis ready`);
