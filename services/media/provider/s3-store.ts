// Files in a bucket of whatever speaks S3. An object appears whole, when its upload has ended, or not at all.
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import type { FileStore } from "./contract.ts";
import { notInStore } from "./missing.ts";
import type { Spool } from "./spool.ts";

export interface S3Settings {
  bucket: string;
  region: string;
  /** Undefined for that of AWS. */
  endpoint: string | undefined;
  /** Without them they are found as AWS' own programs find them. */
  credentials: { accessKeyId: string; secretAccessKey: string } | undefined;
}

/** For whoever looks at the bucket: our own answers say it themselves. */
const contentTypes: Readonly<Record<string, string>> = { ".jpg": "image/jpeg", ".webp": "image/webp", ".avif": "image/avif" };

type Library = typeof import("@aws-sdk/client-s3");

export function createS3Store({ bucket: Bucket, region, endpoint, credentials }: S3Settings, spool: Spool): FileStore {
  let connecting: Promise<{ s3: Library; client: S3Client }> | undefined;
  // The library is large: a process that keeps its files elsewhere is spared it.
  const connect = (): Promise<{ s3: Library; client: S3Client }> => {
    connecting ??= import("@aws-sdk/client-s3").then((s3) => ({
      s3,
      client: new s3.S3Client({
        region,
        ...(credentials && { credentials }),
        // Servers other than AWS' are addressed by a path, and know none of the newer checksums.
        ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
      }),
    }));
    return connecting;
  };

  return {
    put: async (name, spooledPath) => {
      const { s3, client } = await connect();
      const { size: ContentLength } = await stat(spooledPath);
      await client.send(
        new s3.PutObjectCommand({
          Bucket,
          Key: name,
          Body: createReadStream(spooledPath),
          ContentLength,
          ContentType: contentTypes[extname(name)] ?? "application/octet-stream",
        }),
      );
    },

    open: async (name) => {
      const { s3, client } = await connect();
      const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: name })).catch((error: unknown) => {
        if (error instanceof s3.NotFound) return undefined;
        throw error;
      });
      if (!head) return undefined;
      return {
        size: head.ContentLength ?? 0,
        time: head.LastModified ?? new Date(),
        async *chunks({ start, end }) {
          if (start === end) return;
          const { Body } = await client.send(new s3.GetObjectCommand({ Bucket, Key: name, Range: `bytes=${start}-${end - 1}` }));
          if (Body) yield* Body as unknown as AsyncIterable<Uint8Array>;
        },
      };
    },

    withPath: async (name, work) => {
      const { s3, client } = await connect();
      const { Body } = await client.send(new s3.GetObjectCommand({ Bucket, Key: name })).catch((error: unknown) => {
        throw error instanceof s3.NoSuchKey ? notInStore(name) : error;
      });
      await spool.using(async (path) => {
        await pipeline(Body as Readable, createWriteStream(path));
        await work(path);
      });
    },

    remove: async (names) => {
      const { s3, client } = await connect();
      for (const name of names) await client.send(new s3.DeleteObjectCommand({ Bucket, Key: name }));
    },

    async *list(prefix) {
      const { s3, client } = await connect();
      for await (const { Contents = [] } of s3.paginateListObjectsV2({ client }, { Bucket, Prefix: prefix })) {
        for (const { Key, LastModified } of Contents) if (Key && LastModified) yield { name: Key, time: LastModified };
      }
    },
  };
}
