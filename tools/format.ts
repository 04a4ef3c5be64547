// Formats code and contracts in place.
import { outputOf } from "./command.ts";
import { layOutThirdParty } from "./third-party.ts";

await layOutThirdParty();
await outputOf("oxfmt", []);
await outputOf("buf", ["format", "proto", "--write"]);
