// The mesh with the one difference that every token is taken for good, an operator's: beside it shows what verification costs.
import { createLogger } from "#runtime/log.ts";
import { serviceCaller } from "#runtime/access/caller.ts";
import { startMesh } from "../../services/mesh.ts";

const operator = { ...serviceCaller("demo"), subject: "operator", clientId: "operator", roles: ["operator"] as const };
const mesh = await startMesh({
  env: process.env,
  only: [],
  log: createLogger({ level: "silent" }),
  onProgress: () => {},
  verify: () => Promise.resolve(operator),
});
process.once("SIGINT", () => void mesh.close().then(() => process.exit(0)));
console.log(`  REST        http://127.0.0.1:${mesh.edgePort}\n  RPC         http://127.0.0.1:${mesh.rpcPort}\nis ready`);
