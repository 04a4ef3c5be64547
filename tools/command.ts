// Runs one program from the repository's root and keeps what it says.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
/** For NODE_COMPILE_CACHE of processes that are started again and again: what it takes to start is mostly to compile. */
export const compileCache = join(root, "node_modules/.cache/compiled");

/** What `npm start` gives to node: how large its heap may grow, and the program. */
export const startArgs: readonly string[] = readStartScript().split(" ").slice(2);

function readStartScript(): string {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { start: string } };
  return scripts.start;
}

export interface CommandResult {
  code: number;
  /** Standard output and error, as they came. */
  output: string;
}

// A git hook sets these, and git would then look at that repository whatever the folder.
const variablesOfGit = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];

function environment(): NodeJS.ProcessEnv {
  const path = [join(root, "node_modules/.bin"), process.env["PATH"] ?? ""].join(delimiter);
  const entries = Object.entries(process.env).filter(([name]) => !variablesOfGit.includes(name));
  return { ...Object.fromEntries(entries), PATH: path };
}

/** Programs of node_modules are found first, also where the caller was not started by npm. */
export function runCommand(
  program: string,
  args: readonly string[],
  { cwd = root }: { cwd?: string } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env: environment(), stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", (error) => resolve({ code: 127, output: `${program}: ${error.message}` }));
    child.once("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8") }));
  });
}

/** What the program wrote. Throws with all of it where the program fails. */
export async function outputOf(program: string, args: readonly string[], options: { cwd?: string } = {}): Promise<string> {
  const { code, output } = await runCommand(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}\n${output}`);
  return output;
}

/** True where the module is the program that node was asked to run. */
export function isProgram(moduleUrl: string): boolean {
  return process.argv[1] === fileURLToPath(moduleUrl);
}
