// How many thumbnails are made a second from events that wait, beside sharp alone on the same images.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import pg from "pg";
import sharp from "sharp";
import { ImageUploadedSchema } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import type { Backing } from "#runtime/backing/resolve.ts";
import { wakeUpSubject } from "#runtime/events/permissions.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { media } from "../../../services/media/main.ts";
import { newSeries } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { startBenchServers } from "../mesh.ts";

/** As ORDERMESH_IMAGES_AT_ONCE has it. */
const atOnce = 2;
const size = 300;
/** Of three megapixels, as a telephone's are for a portrait. */
const [width, height] = [2_048, 1_536] as const;
const imagesPerSecond = 60;
/** Looking takes of what is measured. */
const lookEveryMs = 100;

interface World {
  folder: string;
  db: pg.Client;
  nats: NatsConnection;
  image: Buffer;
  contentHash: string;
}

async function storeFiles({ folder, image, contentHash }: World, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const own = join(folder, "files/demo/users", user);
    await mkdir(own, { recursive: true });
    await writeFile(join(own, `${contentHash}.jpg`), image);
  }
}

/** The rows of images whose files stand, and the events that say so; as a commit of the service's own, it wakes the relay. */
async function tellOf({ db, nats, image, contentHash }: World, users: readonly string[]): Promise<void> {
  const payloads = users.map((userId) =>
    Buffer.from(toBinary(ImageUploadedSchema, create(ImageUploadedSchema, { userId, contentHash }))),
  );
  await db.query(
    `with image as (
       insert into media.user_image (tenant_id, user_id, content_hash, width, height, bytes, events_sent, upload_time)
       select 'demo', user_id, $2, $3, $4, $5, 1, now() from unnest($1::text[]) as user_id
     )
     insert into media.outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
     select 'evt_' || md5(user_id), $6, 'demo', user_id, 1, now(), 'req_bench', '', payload
     from unnest($1::text[], $7::bytea[]) as uploaded (user_id, payload)`,
    [users, contentHash, width, height, image.length, ImageUploadedSchema.typeName, payloads],
  );
  nats.publish(wakeUpSubject(media.name, "relay"));
}

/** The same pictures by the same library, as many at once. */
async function sharpAlone({ folder, contentHash }: World, users: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const left = [...users];
  const make = async (): Promise<void> => {
    for (let user = left.pop(); user !== undefined; user = left.pop()) {
      await sharp(join(folder, "files/demo/users", user, `${contentHash}.jpg`))
        .resize(size, size, { fit: "cover" })
        .jpeg({ quality: 80 })
        .toFile(join(folder, `${user}.jpg`));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, make));
  return users.length / ((performance.now() - startedMs) / 1_000);
}

function startMedia({ databaseUrl, natsUrl }: Backing, folder: string): Promise<Host> {
  return startHost({
    databaseUrl,
    natsUrl,
    definitions: [media as unknown as ServiceDefinition],
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 4,
    streamReplicas: 1,
    relayLagMsMax: 600_000,
    retryDelaysMs: [1_000],
    connectionsMax: 10,
    tenant: "demo",
    log: createLogger({ level: "warn" }),
    env: { ORDERMESH_MEDIA_DIR: folder, ORDERMESH_IMAGES_AT_ONCE: String(atOnce) },
  });
}

async function thumbnailsOf(world: World, users: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  await tellOf(world, users);
  for (let made = 0; made < users.length; await sleep(lookEveryMs)) {
    const { rows } = await world.db.query<{ made: number }>(
      "select count(*)::integer as made from media.user_image where has_thumbnail and user_id = any($1::text[])",
      [users],
    );
    made = rows[0]?.made ?? 0;
  }
  return users.length / ((performance.now() - startedMs) / 1_000);
}

async function openWorld({ databaseUrl, natsUrl }: Backing): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-thumbnails-"));
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  const nats = await connect(natsConnectionOptions(natsUrl));
  // The rows are of a tenant, and nobody asks for one here.
  await db.query("set ordermesh.system = 'on'");
  const noise = { type: "gaussian", mean: 128, sigma: 30 } as const;
  const image = await sharp({ create: { width, height, channels: 3, background: "#888", noise } })
    .blur(1)
    .jpeg()
    .toBuffer();
  return { folder, db, nats, image, contentHash: createHash("sha256").update(image).digest("hex") };
}

export const thumbnails: Group = {
  name: "thumbnails",
  about: "thumbnails made a second from events, against sharp alone",
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const { backing, close } = await startBenchServers();
    const world = await openWorld(backing);
    const host = await startMedia(backing, world.folder);
    const variant = `${width} × ${height} pixels, ${atOnce} at once`;
    const series = newSeries({ name: "thumbnails", variant, unit: "thumbnails/s", limitName: "sharp alone" });
    try {
      for (let round = 0; round <= repeats; round += 1) {
        say(round === 0 ? "thumbnails: warming up" : `thumbnails: round ${round} of ${repeats}`);
        const users = Array.from({ length: imagesPerSecond * seconds }, (_, index) => `round-${round}-${index}`);
        await storeFiles(world, users);
        const value = await thumbnailsOf(world, users);
        const limit = await sharpAlone(world, users);
        if (round > 0) series.runs.push({ value, limit });
      }
      return [series];
    } finally {
      await host.close();
      await Promise.all([world.db.end(), world.nats.close()]);
      await close();
      await rm(world.folder, { recursive: true, force: true });
    }
  },
};
