import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../../test/support/database.ts";
import { until } from "../../../test/support/until.ts";
import { createLogger } from "../log.ts";
import { connectDatabase, type ServiceDatabase } from "./connect.ts";
import { databaseClock } from "./database-clock.ts";

let own: TestDatabase;
let database: ServiceDatabase<never>;

beforeAll(async () => {
  own = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  database = connectDatabase({ url: own.url, as: "owner", schema: "public", connectionsMax: 1, log, onCommit: () => {} });
});

afterAll(async () => {
  await database.close();
  await own.drop();
});

test("it is the database's time, however wrong the process's own clock is", async () => {
  const hourMs = 3_600_000;
  const clock = databaseClock(database.db, { now: () => new Date(Date.now() + hourMs) });
  await until(() => Math.abs(clock.now().getTime() - Date.now()) < hourMs / 2);
  expect(Math.abs(clock.now().getTime() - Date.now())).toBeLessThan(5_000);
  const before = clock.now();
  await until(() => clock.now() > before);
});
