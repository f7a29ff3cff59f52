import { access, readFile, stat } from "node:fs/promises";
import type { AgentOptions, RequestOptions } from "node:https";
import path from "node:path";
import type { ConnectionOptions } from "node:tls";

/** Where the API server and its credentials are found. */
export type Access =
  /** Files as kubectl takes them, merged in this order; `context` instead of the current one. */
  | Readonly<{ kubeconfig: readonly string[]; context?: string }>
  /** The ServiceAccount of this pod; `root` is where its files are mounted. */
  | Readonly<{ inCluster: Readonly<{ host: string; port: string }>; root?: string }>;

/** How to reach the API server just now. */
export type Credentials = Readonly<{
  server: URL;
  /** Of the pod or of the context; `default` where neither says. */
  namespace: string;
  headers: Readonly<Record<string, string>>;
  tls: ConnectionOptions;
  /** `http:`, `https:` or `socks5:`. */
  proxy?: string;
}>;

export type Login = Readonly<{
  /** Cheap enough for every half minute: files are read again, plugins of the kubeconfig run when their token has passed. */
  read(): Promise<Credentials>;
  /** Forgets what was kept: after a 401. */
  forget(): void;
}>;

const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * As kubectl and client-go look for it: `KUBECONFIG`, then the ServiceAccount of the pod, then `~/.kube/config`.
 * Undefined where none of them is there.
 */
export async function findAccess(env: Readonly<Record<string, string | undefined>>): Promise<Access | undefined> {
  const files = (env["KUBECONFIG"] ?? "").split(path.delimiter).filter((file) => file !== "");
  if (files.length > 0) return { kubeconfig: files };
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = env;
  if (host !== undefined && (await exists(path.join(serviceAccount, "token")))) return { inCluster: { host, port } };
  const file = path.join(env["HOME"] ?? "", ".kube", "config");
  return env["HOME"] !== undefined && (await exists(file)) ? { kubeconfig: [file] } : undefined;
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

/** Reads credentials. Rejects with an Error that says which file or plugin failed. */
export function openLogin(access: Access): Login {
  return "inCluster" in access ? podLogin(access.inCluster, access.root ?? serviceAccount) : kubeconfigLogin(access);
}

/**
 * The token is a file that the kubelet replaces long before it expires. Read here and not by the library, whose import
 * takes 86 MB that a pod does not need otherwise (seen, 2.0.1).
 */
function podLogin({ host, port }: Readonly<{ host: string; port: string }>, root: string): Login {
  const server = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`);
  const read = async (): Promise<Credentials> => {
    const [token, ca, namespace] = await Promise.all(
      ["token", "ca.crt", "namespace"].map((file) => readFile(path.join(root, file), "utf8")),
    );
    const headers = { authorization: `Bearer ${token?.trim()}` };
    return { server, namespace: namespace?.trim() || "default", headers, tls: ca === undefined ? {} : { ca } };
  };
  return { read, forget() {} };
}

/** The library reads the files, runs exec plugins and refreshes OIDC tokens; it keeps what these gave until it has passed. */
function kubeconfigLogin({ kubeconfig, context }: Readonly<{ kubeconfig: readonly string[]; context?: string }>): Login {
  let loaded: Readonly<{ config: Kubeconfig; version: string }> | undefined;

  return {
    async read() {
      const version = await versionOf(kubeconfig);
      if (loaded?.version !== version) loaded = { config: await load(kubeconfig, context), version };
      return credentialsOf(loaded.config);
    },
    forget() {
      loaded = undefined;
    },
  };
}

type Library = typeof import("@kubernetes/client-node");
type Kubeconfig = InstanceType<Library["KubeConfig"]>;

async function versionOf(files: readonly string[]): Promise<string> {
  const stats = await Promise.all(files.map((file) => stat(file)));
  return stats.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join();
}

async function load(files: readonly string[], context: string | undefined): Promise<Kubeconfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  for (const file of files) {
    const one = new KubeConfig();
    one.loadFromFile(file);
    // As kubectl merges: of two with one name the first counts. The library would refuse them.
    one.clusters = one.clusters.filter(({ name }) => config.getCluster(name) === null);
    const tokenFiles = await tokenFilesOf(file);
    one.users = one.users
      .filter(({ name }) => config.getUser(name) === null)
      .map((user) => ({ ...user, ...tokenFiles.get(user.name) }));
    one.contexts = one.contexts.filter(({ name }) => config.getContextObject(name) === null);
    config.mergeConfig(one, Boolean(config.currentContext));
  }
  if (context !== undefined) config.setCurrentContext(context);
  const from = `kubeconfig ${files.join(", ")}`;
  if (!config.getContextObject(config.getCurrentContext())) {
    throw new Error(`${from}: context '${config.getCurrentContext()}' must be one of those in it`);
  }
  if (!config.getCurrentCluster()) throw new Error(`${from}: the context must name a cluster that is in it`);
  return config;
}

/** By user: the library reads such files for pods, but drops the field `tokenFile` of a kubeconfig. */
async function tokenFilesOf(file: string): Promise<ReadonlyMap<string, Readonly<{ authProvider: object }>>> {
  const { parse } = await import("yaml");
  type Users = Readonly<{ users?: readonly Readonly<{ name: string; user?: Readonly<{ tokenFile?: string }> }>[] }>;
  const { users = [] } = parse(await readFile(file, "utf8")) as Users;
  return new Map(
    users.flatMap(({ name, user }) => {
      if (!user?.tokenFile) return [];
      const tokenFile = path.resolve(path.dirname(file), user.tokenFile);
      return [[name, { authProvider: { name: "tokenFile", config: { tokenFile } } }]];
    }),
  );
}

async function credentialsOf(config: Kubeconfig): Promise<Credentials> {
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error("kubeconfig: the context must name a cluster that is in it");
  const options: AgentOptions & Pick<RequestOptions, "headers" | "auth"> = {};
  await config.applyToHTTPSOptions(options);
  const how = config.createDispatcherOptions(cluster, options);
  const { headers, auth } = options;
  const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString("base64")}` } : {};
  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? "default",
    headers: { ...basic, ...lowerCased(headers) },
    tls: how.type === "agent" ? how.connect : how.type === "none" ? {} : how.requestTls,
    ...(how.type === "proxy" || how.type === "socks" ? { proxy: how.uri } : {}),
  };
}

/** One spelling for each name, and without the line end that a token file has. */
function lowerCased(headers: RequestOptions["headers"]): Readonly<Record<string, string>> {
  const pairs = Array.isArray(headers) ? [] : Object.entries(headers ?? {});
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), String(value).trim()]));
}
