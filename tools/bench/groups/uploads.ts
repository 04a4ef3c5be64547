// A hundred uploads of 10 MB at the same moment: a gigabyte goes through the process. What of it is in memory at most?
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { clientTokens, fetchWith } from "../../operator.ts";
import { newSeries, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { startBenchMesh } from "../mesh.ts";
import { unbounded, unhurried } from "../settings.ts";

const uploadsAtOnce = 100;
const bytesEach = 10_000_000;

/** An image that is small to decode and long to send: comments fill it up (T.81, B.2.4.5). */
async function longJpeg(): Promise<Buffer<ArrayBuffer>> {
  const small = await sharp({ create: { width: 16, height: 16, channels: 3, background: "#336699" } })
    .jpeg()
    .toBuffer();
  const comment = Buffer.alloc(65_537);
  comment.set([0xff, 0xfe, 0xff, 0xff]);
  const comments = Array.from({ length: Math.floor((bytesEach - small.length) / comment.length) }, () => comment);
  return Buffer.concat([small.subarray(0, 2), ...comments, small.subarray(2)]);
}

/** Linux tells it; elsewhere there is no figure. */
async function memoryMb(pid: number, name: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return (Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024) / 1_000_000;
}

async function measure(body: Buffer<ArrayBuffer>, series: { memory: Series; speed: Series }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-uploads-"));
  const mesh = await startBenchMesh({ ...unhurried, ...unbounded, ORDERMESH_MEDIA_DIR: folder });
  const { edgeUrl } = mesh;
  const send = fetchWith(edgeUrl, clientTokens({ edgeUrl }));
  const errors: Record<string, number> = {};
  const upload = async (user: string): Promise<void> => {
    const outcome = await send(`/v1/users/${user}/image`, { method: "POST", body }).then(
      ({ status }) => String(status),
      (error: unknown) => (error as Error).message,
    );
    if (outcome !== "201") errors[outcome] = (errors[outcome] ?? 0) + 1;
  };
  try {
    // The libraries are loaded with the first.
    await upload("first");
    const before = await memoryMb(mesh.pid(), "VmRSS");
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: uploadsAtOnce }, (_, index) => upload(`user-${index}`)));
    const seconds = (performance.now() - startedMs) / 1_000;
    series.memory.runs.push({ value: (await memoryMb(mesh.pid(), "VmHWM")) - before, errors });
    series.speed.runs.push({ value: (uploadsAtOnce * body.length) / 1_000_000 / seconds, errors });
  } finally {
    await mesh.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export const uploads: Group = {
  name: "uploads",
  about: "memory that a hundred uploads of 10 MB at the same moment need",
  run: async ({ repeats, say }: GroupOptions) => {
    const variant = `${uploadsAtOnce} × ${bytesEach / 1_000_000} MB at once`;
    const memory = newSeries({ name: "uploads", variant: `${variant}: memory above before`, unit: "MB" });
    const speed = newSeries({ name: "uploads", variant, unit: "MB/s" });
    const body = await longJpeg();
    for (let round = 1; round <= repeats; round += 1) {
      say(`uploads: round ${round} of ${repeats}`);
      await measure(body, { memory, speed });
    }
    return [memory, speed];
  },
};
