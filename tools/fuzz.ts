// Sends the REST edge what nobody would think of.
//   npm run fuzz -- --seed 7 --inputs 100000
import { parseArgs } from "node:util";
import { fuzz, reportLine } from "./fuzz/run.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, inputs: { type: "string", default: "20000" } } });
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
const inputs = Number(values.inputs);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(inputs) || inputs < 1) {
  console.error("--seed and --inputs take whole numbers: npm run fuzz -- --seed 7 --inputs 100000");
  process.exit(1);
}
try {
  console.log(`fuzz: seed ${seed}`);
  console.log(reportLine(await fuzz({ seed, inputs, say: (line) => console.log(line) })));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
