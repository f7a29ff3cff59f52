import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ReviewError } from "../api/admission.ts";
import type { CertificateSource, ServerCertificate } from "./webhook-certificate.ts";

export type AdmissionServerOptions = Readonly<{
  /** Port 0: any. */
  listen: Readonly<{ host: string; port: number }>;
  certificate: CertificateSource;
  /** Answers an AdmissionReview; a {@link ReviewError} is the fault of who asks. */
  answer: (review: unknown) => Promise<object>;
  /** Told of what fails and is tried again, and of faults of our own. */
  failed: (doing: string, cause: unknown) => void;
  /** How often the certificate is looked at, ms. Default: once an hour. */
  renewMs?: number;
  signal: AbortSignal;
}>;

export type AdmissionServer = AsyncDisposable & Readonly<{ port: number }>;

/** Where the API server asks; everything else is not found. */
const admissionPath = "/admit";

/** Largest question: an object and what it was before, of at most 1.5 MiB each, with room to spare. */
const maxBytes = 6 * 1024 * 1024;
/** Who is one too many is turned away: whoever reaches the port may ask, and the API server does without an answer. */
const mostAtOnce = 16;
/**
 * Longer than the API server keeps an idle connection (90 s, as all of Go): were we the first to close one, a review that is just being
 * sent on it would be lost, for a POST is not sent again; and with `failurePolicy: Ignore` its object would pass unseen.
 */
const idleMs = 120_000;
/** So long after the end of listening what is being asked may still be answered, ms. */
const lastMs = 1_000;
const hourMs = 3_600_000;
const againMs = 5_000;

/**
 * The HTTPS server of the admission webhook. It has no secrets to tell and asks nobody who they are: what it answers is
 * what its asker sent. Rejects when it cannot listen; while it has no certificate it tries again, and does not listen.
 */
export async function openAdmissionServer(options: AdmissionServerOptions): Promise<AdmissionServer> {
  const { listen, signal } = options;
  const stop = new AbortController();
  let answering = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (answering >= mostAtOnce) return void response.writeHead(503, { connection: "close" }).end("busy\n");
    answering++;
    await serve(request, response, options);
    answering--;
  };
  const stopped = AbortSignal.any([signal, stop.signal]);
  let certificate = await firstCertificate(options, stopped);
  const server = createServer({ ...certificate, minVersion: "TLSv1.2" }, (request, response) => void handle(request, response));
  server.headersTimeout = 5_000;
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = idleMs;
  await listening(server, listen);
  const renewing = renew(options, stopped, (next) => {
    if (next.cert === certificate.cert) return;
    server.setSecureContext({ ...next, minVersion: "TLSv1.2" });
    certificate = next;
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await renewing;
      await closed(server);
    },
  };
}

async function firstCertificate(
  { certificate, failed, renewMs = hourMs }: AdmissionServerOptions,
  signal: AbortSignal,
): Promise<ServerCertificate> {
  let told = "";
  for (;;) {
    try {
      return await certificate(signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (String(cause) !== told) failed("getting a certificate for the webhook", cause);
      told = String(cause);
      await sleep(Math.min(againMs, renewMs), undefined, { signal });
    }
  }
}

/** Ends when the signal fires; never rejects. */
async function renew(
  options: AdmissionServerOptions,
  signal: AbortSignal,
  use: (next: ServerCertificate) => void,
): Promise<void> {
  const { certificate, failed, renewMs = hourMs } = options;
  while (!signal.aborted) {
    try {
      await sleep(renewMs, undefined, { signal, ref: false });
      use(await certificate(signal));
    } catch (cause) {
      if (!signal.aborted) failed("renewing the certificate of the webhook", cause);
    }
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { answer, failed }: AdmissionServerOptions,
): Promise<void> {
  const end = (status: number, body: string, type = "text/plain") => {
    response.writeHead(status, { "content-type": type }).end(body);
  };
  try {
    if (request.url?.split("?")[0] !== admissionPath) return end(404, "not found\n");
    if (request.method !== "POST") return end(405, "must be asked by POST\n");
    end(200, JSON.stringify(await answer(await readReview(request))), "application/json");
  } catch (cause) {
    if (cause instanceof ReviewError) return end(400, `${cause.message}\n`);
    if (cause === request.errored) return; // who asked has gone away
    failed("answering an admission review", cause);
    end(500, "cannot answer\n");
  }
}

async function readReview(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new ReviewError(`must not be larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new ReviewError("must be JSON");
  }
}

function listening(server: Server, { host, port }: AdmissionServerOptions["listen"]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/**
 * The API server keeps its connections open: those that are idle go at once, and an answer on its way is awaited, for
 * {@link lastMs}: a connection whose request was not read to its end never counts as idle.
 */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => server.closeAllConnections(), lastMs);
    server.close(() => {
      clearTimeout(late);
      resolve();
    });
    server.closeIdleConnections();
  });
}
