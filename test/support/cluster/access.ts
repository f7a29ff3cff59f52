import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { Agent, type Dispatcher, request } from "undici";

const run = promisify(execFile);

/** How to reach an API server. */
export type Credentials = Readonly<{
  /** `https://127.0.0.1:PORT`. */
  url: string;
  /** PEM of the authority of its certificate. */
  ca: string;
  token: string;
}>;

/** Any object of the API, as it is answered. */
export type Thing = { apiVersion?: string; kind?: string; metadata: Metadata; [field: string]: unknown };
type Metadata = { name: string; namespace?: string; resourceVersion?: string; uid?: string; [field: string]: unknown };

/** What the API server refused, with its HTTP status. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** One user of an API server. */
export interface Access extends AsyncDisposable, Credentials {
  /** Path of a kubeconfig of this user. */
  readonly kubeconfig: string;
  /**
   * One request, the answer parsed. `path` begins with `/api` or `/apis`; PATCH is a merge patch.
   *
   * @throws ApiError for any status but 2xx.
   */
  request<T = Thing>(method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<T>;
  /** Runs kubectl as this user; resolves with what it printed. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
}

/** An {@link Access}; its kubeconfig is written to `file` where `credentials` are given, else read from it. */
export async function openAccess(file: string, bin: string, credentials?: Credentials): Promise<Access> {
  if (credentials) await writeFile(file, kubeconfigOf(credentials), { mode: 0o600 });
  const { url, ca, token } = credentials ?? readKubeconfig(await readFile(file, "utf8"));
  const agent = new Agent({ connect: { ca }, allowH2: false }); // a stream of HTTP/2 that is lost would never end
  return {
    url,
    ca,
    token,
    kubeconfig: file,
    request: async <T>(method: Dispatcher.HttpMethod, path: string, body?: unknown) => {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const headers = { authorization: `Bearer ${token}`, "content-type": type };
      const answer = await request(`${url}${path}`, {
        method,
        headers,
        dispatcher: agent,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      if (answer.statusCode >= 300) throw new ApiError(answer.statusCode, `${method} ${path}: ${answer.statusCode} ${text}`);
      return (text.startsWith("{") ? JSON.parse(text) : text) as T;
    },
    kubectl: async (args, input) => {
      const child = run(path.join(bin, "kubectl"), ["--kubeconfig", file, ...args], { maxBuffer: 64 << 20 });
      child.child.stdin?.end(input);
      return (await child).stdout;
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

/** As JSON, which is YAML too. */
function kubeconfigOf({ url, ca, token }: Credentials): string {
  const data = Buffer.from(ca).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": data } }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "default" } }],
    "current-context": "test",
  });
}

/** Reads what {@link kubeconfigOf} wrote. */
function readKubeconfig(text: string): Credentials {
  const { clusters, users } = JSON.parse(text);
  const { server, "certificate-authority-data": data } = clusters[0].cluster;
  return { url: server, ca: Buffer.from(data, "base64").toString(), token: users[0].user.token };
}
