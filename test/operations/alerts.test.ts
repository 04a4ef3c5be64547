// Alerts by mail: real PostgreSQL, a real SMTP server, and Resend's SDK against a server of our own.
import { sql } from "kysely";
import { afterEach, describe, expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { alertWork } from "../../services/operations/due/alerts.ts";
import { alertSettings } from "../../services/operations/provider/settings.ts";
import { planAlert } from "../../services/operations/store/alerts.ts";
import { freePorts } from "../support/ports.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { until } from "../support/until.ts";
import { resendServer, smtpServer, type Received } from "./mail-servers.ts";

const startTime = new Date("2026-03-01T12:00:00Z");
const addressed = { ORDERMESH_ALERT_TO: "ops@example.com,boss@example.com", ORDERMESH_ALERT_FROM: "Mesh <mesh@example.com>" };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function openSmtp(...options: Parameters<typeof smtpServer>) {
  const server = await smtpServer(...options);
  closing.push(server.close);
  return server;
}

async function openResend(...answers: Parameters<typeof resendServer>) {
  const server = await resendServer(...answers);
  closing.push(server.close);
  return server;
}

async function alerts(env: Record<string, string>) {
  const clock = { time: startTime, now: () => clock.time };
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  const definition: ServiceDefinition = {
    name: "operations",
    services: [],
    emits: [],
    migrations: new URL("../../services/operations/migrations/", import.meta.url),
    create: (runtime) => ({
      routes: () => {},
      dueWork: [alertWork({ ...runtime, ...runtime.system, log }, alertSettings({ ...addressed, ...env }, log))],
    }),
  };
  const fixture = await serviceFixture(definition, { clock });
  closing.push(() => fixture.close());
  const [work] = fixture.parts.dueWork ?? [];
  let opened = 0;
  return {
    fixture,
    lines,
    readTime: clock.now,
    pass: (seconds: number) => void (clock.time = new Date(clock.time.getTime() + seconds * 1_000)),
    open: (count: number, message = "it threw") =>
      fixture.runtime.transaction((tx) => {
        const letters = Array.from({ length: count }, () => ({
          letterId: `ltr_${(opened += 1)}`,
          consumer: "inventory-0",
          typeName: "ordermesh.orders.events.v1.OrderCreated",
          key: `ord_${opened}`,
          code: "HANDLER_FAILED",
          message,
          failureTime: clock.now(),
        }));
        return planAlert(tx, { now: clock.now(), letters });
      }),
    violate: () =>
      fixture.runtime.transaction((tx) => {
        const violation = {
          violationId: "vio_1",
          check: "stock.on_hand",
          key: "MUG",
          message: "3 is not 4",
          seenTime: clock.now(),
        };
        return planAlert(tx, { now: clock.now(), violations: [violation] });
      }),
    run: () => fixture.runDue(),
    /** The first half of the work, and then nothing more, as in a process that dies. */
    dieAfterSending: () =>
      work?.prepare?.({
        id: "due_x",
        kind: work.kind,
        tenant: "all",
        key: "alert",
        dueTime: clock.now(),
        attempt: 1,
        cause: { id: "req_test", traceparent: "" },
      }),
  };
}

const overSmtp = (host: string) => ({ ORDERMESH_ALERT_MAILER: "smtp", ORDERMESH_SMTP_URL: `smtp://${host}` });
const header = (source: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, "im").exec(source)?.[1]?.trim();
const subjects = (mails: readonly Received[]) => mails.map(({ source }) => header(source, "Subject"));

describe("by SMTP", () => {
  test("300 letters and a violation at once are one mail to all recipients", async () => {
    const { mails, host } = await openSmtp();
    const { open, violate, run, pass, lines } = await alerts(overSmtp(host));
    await open(300, "card 4111 1111 1111 1111 of\0tok_success");
    pass(10);
    await violate();
    await run();
    expect(mails).toHaveLength(0);
    pass(20);
    await run();
    await run();
    expect(subjects(mails)).toEqual(["[ordermesh] 300 dead letters, 1 audit violation"]);
    expect(mails[0]?.recipients).toEqual(["ops@example.com", "boss@example.com"]);
    expect(mails[0]?.user).toBeUndefined();
    expect(mails[0]?.source).toContain("text/html");
    expect(mails[0]?.source).not.toMatch(/4111|tok_success/);
    expect(lines.join("")).toContain("alert_sent");
  });

  test("a second batch within the pause is one later mail", async () => {
    const { mails, host } = await openSmtp();
    const { open, run, pass } = await alerts(overSmtp(host));
    await open(1);
    pass(30);
    await run();
    await open(2);
    pass(100);
    await run();
    await open(3);
    pass(100);
    await run();
    expect(mails).toHaveLength(1);
    pass(100);
    await run();
    expect(subjects(mails)).toEqual(["[ordermesh] 1 dead letter", "[ordermesh] 5 dead letters"]);
  });

  test("planning again does not move the planned time", async () => {
    const { mails, host } = await openSmtp();
    const { fixture, open, run, pass } = await alerts(overSmtp(host));
    const plannedTime = async () =>
      (await sql<{ time: Date }>`select due_time as time from due_work`.execute(fixture.runtime.db)).rows.map(({ time }) => time);
    await open(1);
    await run();
    const planned = await plannedTime();
    expect(planned).toEqual([new Date(startTime.getTime() + 30_000)]);
    for (let time = 0; time < 3; time += 1) {
      pass(10);
      await open(1);
      expect(await plannedTime()).toEqual(planned);
    }
    await run();
    expect(subjects(mails)).toEqual(["[ordermesh] 4 dead letters"]);
  });

  test("a server that is down for a while gets one mail, with what came meanwhile", async () => {
    const [port = 0] = await freePorts(1);
    const { open, run, pass } = await alerts(overSmtp(`127.0.0.1:${port}`));
    await open(2);
    pass(30);
    await expect(run()).rejects.toThrow(/SMTP failed: E\w+$/);
    await open(3);
    pass(60);
    await expect(run()).rejects.toThrow(/SMTP failed/);
    const { mails } = await openSmtp({ port });
    pass(60);
    await run();
    expect(subjects(mails)).toEqual(["[ordermesh] 5 dead letters"]);
  });

  test("a process that dies between sending and noting it sends the same mail under the same Message-ID", async () => {
    const { mails, host } = await openSmtp();
    const { open, run, pass, dieAfterSending } = await alerts(overSmtp(host));
    await open(2);
    pass(30);
    await dieAfterSending();
    await open(1);
    pass(40);
    await run();
    pass(300);
    await run();
    expect(subjects(mails)).toEqual(["[ordermesh] 2 dead letters", "[ordermesh] 2 dead letters", "[ordermesh] 1 dead letter"]);
    const [first, second, third] = mails.map(({ source }) => header(source, "Message-ID"));
    expect(first).toMatch(/^<alert-[\w-]+@example\.com>$/);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test("a server with a password is given it, and a wrong one is in no error and no log", async () => {
    const { mails, host } = await openSmtp({ authOptional: false });
    const right = await alerts(overSmtp(`mesh:open%3Asesame@${host}`));
    await right.open(1);
    right.pass(30);
    await right.run();
    expect(mails.map(({ user }) => user)).toEqual(["mesh"]);
    const wrong = await alerts(overSmtp(`mesh:hush-hush@${host}`));
    await wrong.open(1);
    wrong.pass(30);
    await expect(wrong.run()).rejects.toThrow("SMTP failed: EAUTH 535");
    expect(wrong.lines.join("")).not.toContain("hush");
    expect(mails).toHaveLength(1);
  });

  test("a server whose certificate nobody vouches for gets nothing", async () => {
    const { mails, host } = await openSmtp({ hideSTARTTLS: false });
    const { open, run, pass } = await alerts(overSmtp(host));
    await open(1);
    pass(30);
    await expect(run()).rejects.toThrow(/SMTP failed/);
    expect(mails).toHaveLength(0);
  });
});

const refusal = (status: number, name: string) => ({ status, body: { statusCode: status, name, message: "re_hush is wrong" } });

describe("by Resend", () => {
  test("the mail is one request with the key, the addresses and an idempotency key", async () => {
    const { requests, env } = await openResend([]);
    const { open, run, pass } = await alerts(env);
    await open(300);
    pass(30);
    await run();
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatchObject({
      path: "/emails",
      headers: { authorization: "Bearer re_hush", "idempotency-key": expect.stringMatching(/^alert-/) as string },
      body: {
        from: "Mesh <mesh@example.com>",
        to: ["ops@example.com", "boss@example.com"],
        subject: "[ordermesh] 300 dead letters",
      },
    });
    expect(requests[0]?.body.text).toContain("ltr_1 ");
    expect(requests[0]?.body.html).toContain("ltr_1<");
  });

  test.each([
    { name: "internal_server_error", status: 500 },
    { name: "concurrent_idempotent_requests", status: 409 },
  ])("after $status $name the same mail is sent again under the same key", async ({ name, status }) => {
    const { requests, env } = await openResend([refusal(status, name)]);
    const { open, run, pass, lines } = await alerts(env);
    await open(1);
    pass(30);
    await expect(run()).rejects.toThrow(`Resend answered ${status} ${name}`);
    await open(1);
    pass(60);
    await run();
    const keys = requests.map(({ headers }) => headers["idempotency-key"]);
    expect(keys[0]).toBe(keys[1]);
    expect(requests[1]?.body).toEqual(requests[0]?.body);
    pass(300);
    await run();
    expect(requests[2]?.body.subject).toBe("[ordermesh] 1 dead letter");
    expect(requests[2]?.headers["idempotency-key"]).not.toBe(keys[0]);
    expect(lines.join("")).not.toContain("hush");
  });

  test.each([
    { name: "validation_error", status: 422 },
    { name: "rate_limit_exceeded", status: 429 },
  ])("after $status $name the next attempt takes along what is new", async ({ name, status }) => {
    const { requests, env } = await openResend([refusal(status, name)]);
    const { open, run, pass } = await alerts(env);
    await open(1);
    pass(30);
    await expect(run()).rejects.toThrow(`Resend answered ${status} ${name}`);
    await open(1);
    pass(60);
    await run();
    expect(requests.map(({ body }) => body.subject)).toEqual(["[ordermesh] 1 dead letter", "[ordermesh] 2 dead letters"]);
    expect(requests[1]?.headers["idempotency-key"]).not.toBe(requests[0]?.headers["idempotency-key"]);
  });
});

test("without a mailer each alert is one line of the log", async () => {
  const { open, run, pass, lines } = await alerts({});
  await open(3);
  pass(30);
  await run();
  const told = lines.filter((line) => line.includes("alert_not_sent_no_mailer"));
  expect(told).toHaveLength(1);
  expect(JSON.parse(told[0] ?? "")).toMatchObject({ level: "warn", subject: "[ordermesh] 3 dead letters" });
});

test("a letter that is opened while a mail is being ended is told by the next", async () => {
  const arrived = Promise.withResolvers<void>();
  let answer = (): void => {};
  const slow = await openSmtp({
    onData: (stream, _session, done) => {
      stream.resume();
      stream.on("end", () => {
        answer = () => done();
        arrived.resolve();
      });
    },
  });
  const { fixture, open, run, pass, readTime } = await alerts(overSmtp(slow.host));
  await open(1);
  pass(30);
  const running = run();
  await arrived.promise;

  const planned = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  const late = { letterId: "ltr_late", consumer: "c", typeName: "t", key: "k", code: "C", message: "m", failureTime: startTime };
  const opening = fixture.runtime.transaction(async (tx) => {
    await planAlert(tx, { now: readTime(), letters: [late] });
    planned.resolve();
    await commit.promise;
  });
  await planned.promise;
  answer();
  // The end of the mail waits for the letter; if it did not, it would be over now without having seen it.
  const isHeld = async () =>
    (
      await sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
        fixture.runtime.db,
      )
    ).rows.length > 0;
  await Promise.race([running, until(isHeld)]);
  commit.resolve();
  await Promise.all([opening, running]);
  const { rows } = await sql<{ kind: string }>`select kind from due_work`.execute(fixture.runtime.db);
  expect(rows).toEqual([{ kind: "operations.alert" }]);
  const left = await sql<{ id: string }>`select subject_id as id from alert_news`.execute(fixture.runtime.db);
  expect(left.rows).toEqual([{ id: "ltr_late" }]);
});
