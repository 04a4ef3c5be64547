// Mail servers on the loopback interface, which keep what they are given.
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export interface Received {
  recipients: string[];
  user: string | undefined;
  source: string;
}

export async function smtpServer({ port = 0, ...options }: { port?: number } & SMTPServerOptions = {}) {
  const mails: Received[] = [];
  const server = new SMTPServer({
    authOptional: true,
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      password === "open:sesame" ? done(null, { user: username ?? "" }) : done(new Error(`no entry for ${password}`)),
    onData: (stream, session, done) => {
      let source = "";
      stream.on("data", (chunk: Buffer) => void (source += chunk.toString()));
      stream.on("end", () => {
        mails.push({
          recipients: session.envelope.rcptTo.map(({ address }) => address),
          user: typeof session.user === "string" ? session.user : undefined,
          source,
        });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    mails,
    host: `127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    close: (): Promise<void> => new Promise((resolve) => server.close(() => resolve())),
  };
}

export interface ResendRequest {
  path: string | undefined;
  headers: IncomingHttpHeaders;
  body: { from: string; to: string[]; subject: string; text: string; html: string };
}

export async function resendServer(answers: { status: number; body: object }[]) {
  const requests: ResendRequest[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => void (text += chunk.toString()));
    request.on("end", () => {
      requests.push({ path: request.url, headers: request.headers, body: JSON.parse(text) as ResendRequest["body"] });
      const { status, body } = answers.shift() ?? { status: 200, body: { id: "mail_1" } };
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    requests,
    env: { ORDERMESH_ALERT_MAILER: "resend", RESEND_API_KEY: "re_hush", RESEND_BASE_URL: url },
    close: (): Promise<void> => new Promise((resolve) => server.close(() => resolve())),
  };
}
