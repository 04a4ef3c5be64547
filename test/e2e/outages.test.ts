// Servers that go away and come back, while orders are placed.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { startPostgres } from "#runtime/backing/postgres.ts";
import { OrderState, stockOf, testMesh } from "../support/mesh.ts";
import { failingNats } from "../support/nats.ts";
import { eventually } from "../support/until.ts";

test("orders that are placed while NATS is away are accepted, and flow once it is back", async () => {
  const nats = await failingNats();
  const mesh = await testMesh({}, nats);
  try {
    await mesh.product("MUG", { stock: 100 });
    const before = await mesh.place();
    await nats.pause();
    // Each by another buyer: screening looks twice at one who orders so often.
    const during = await Promise.all(Array.from({ length: 20 }, (_, index) => mesh.place({ customerId: `buyer-${index}` })));
    const health = mesh.client(Health);
    await eventually(async () => expect((await health.check({ service: "" })).status).toBe(Status.NOT_SERVING));
    await nats.resume();
    for (const { orderId } of [before, ...during]) await mesh.reached(orderId, OrderState.DELIVERED);
    await eventually(async () => expect((await health.check({ service: "" })).status).toBe(Status.SERVING));
    await eventually(async () => expect(await stockOf(mesh, "MUG")).toEqual({ onHand: 79, reserved: 0, moved: 79 }));
  } finally {
    await mesh.close();
  }
});

test("while PostgreSQL is away orders are refused at once with RetryInfo; afterwards all goes on without a restart", async () => {
  const dataFolder = await mkdtemp(join(tmpdir(), "ordermesh-pg-"));
  let postgres = await startPostgres({ dataFolder, durable: true });
  const mesh = await testMesh({ DATABASE_URL: postgres.url() });
  try {
    await mesh.product("MUG", { stock: 100 });
    const before = await Promise.all(Array.from({ length: 10 }, () => mesh.place()));
    const { port } = postgres;
    await postgres.kill();
    const error = await mesh.place().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as ConnectError).code).toBe(Code.Unavailable);
    expect((error as ConnectError).findDetails(RetryInfoSchema).length).toBe(1);
    const answer = await mesh.fetch("/v1/orders/ord_1");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).not.toBeNull();
    await eventually(async () => expect((await fetch(`${mesh.rpcUrl}/readyz`)).status).toBe(503));
    postgres = await startPostgres({ dataFolder, durable: true, port });
    for (const { orderId } of before) await mesh.reached(orderId, OrderState.DELIVERED);
    const after = await mesh.place();
    await mesh.reached(after.orderId, OrderState.DELIVERED);
    await eventually(async () => expect((await fetch(`${mesh.rpcUrl}/readyz`)).status).toBe(200));
    await eventually(async () => expect(await stockOf(mesh, "MUG")).toEqual({ onHand: 89, reserved: 0, moved: 89 }));
  } finally {
    await mesh.close();
    await postgres.stop();
    await rm(dataFolder, { recursive: true, force: true });
  }
});
