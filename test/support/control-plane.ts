import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../src/services/free-port.ts";
import { type Access, type Credentials, openAccess } from "./cluster/access.ts";
import { auditFlags } from "./cluster/audit.ts";
import { type Component, startComponent, watchdog } from "./cluster/component.ts";
import { type FoundCluster, findCluster } from "./cluster/find.ts";
import { apiserverFlags, controllerManagerFlags, etcdFlags, type Place } from "./cluster/flags.ts";
import { until } from "./cluster/ready.ts";
import { admin, writeSecrets } from "./cluster/secrets.ts";

export { ApiError, type Thing } from "./cluster/access.ts";

/** A real etcd, kube-apiserver and kube-controller-manager on the loopback. There is no node: pods stay Pending. */
export interface ControlPlane extends Access {
  /** Where it keeps everything; goes with it. */
  readonly dir: string;
  /** The folder of its programs, kubectl among them. */
  readonly bin: string;
  readonly etcd: Component;
  readonly apiserver: Component;
  readonly controllerManager: Component;
  /** Ends all of it and removes `dir`. */
  stop(): Promise<void>;
}

/** Arguments beyond ours, which they override. */
export type ControlPlaneOptions = Readonly<{ apiserverArgs?: readonly string[]; controllerManagerArgs?: readonly string[] }>;

const PORT_TRIES = 5;

let found: Promise<FoundCluster> | undefined;

/** The folder of the programs, looked for (and built) once. */
export function findPrograms(): Promise<FoundCluster> {
  found ??= findCluster({ env: process.env, onProgress: (line) => console.error(line) });
  return found;
}

/** Why no control plane can run here, for the `skip` of a test; false where one can. */
export async function noControlPlane(): Promise<string | false> {
  const programs = await findPrograms();
  return "missing" in programs && programs.missing;
}

/**
 * Starts a control plane, about 5 s; `await using` or {@link ControlPlane.stop} ends it. Tests that do no harm to it
 * take `sharedControlPlane` instead.
 *
 * @throws Error where there are no programs for it, or with the end of the log of the one that did not start.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const programs = await findPrograms();
  if ("missing" in programs) throw new Error(programs.missing);
  // A free port may be taken between asking and binding: then other ones.
  for (let attempt = 1; ; attempt++) {
    const dir = await mkdtemp(path.join(tmpdir(), "worktide-cluster-"));
    const guard = watchdog(dir);
    try {
      return await launch(programs.bin, dir, guard, options);
    } catch (error) {
      await guard.dismiss();
      if (attempt === PORT_TRIES || !/address already in use/.test(String(error))) throw error;
    }
  }
}

async function launch(
  bin: string,
  dir: string,
  guard: ReturnType<typeof watchdog>,
  { apiserverArgs = [], controllerManagerArgs = [] }: ControlPlaneOptions,
): Promise<ControlPlane> {
  const place = { dir, client: await freePort(), peer: await freePort(), api: await freePort() };
  const [token = ""] = await writeSecrets(dir, [admin]);
  const audited = [...apiserverFlags(place), ...(await auditFlags(dir)), ...apiserverArgs];
  const start = (name: string, flags: readonly string[], ready: (signal: AbortSignal) => Promise<void>) =>
    startComponent({ name, dir, command: [path.join(bin, name), ...flags], ready });
  const [etcd, apiserver] = await Promise.all([
    start("etcd", etcdFlags(place), (signal) => until(`http://127.0.0.1:${place.client}/readyz`, signal)),
    start("kube-apiserver", audited, (signal) => apiserverReady(place, token, signal)),
  ]);
  const access = await openAccess(path.join(dir, "kubeconfig"), bin, await credentials(place, token));
  const flags = [...controllerManagerFlags, ...controllerManagerArgs];
  const controllerManager = await start("kube-controller-manager", flags, async () => {});
  const stop = async () => {
    await access[Symbol.asyncDispose]();
    await Promise.all([controllerManager, apiserver, etcd].map((component) => component.kill9()));
    await guard.dismiss();
    await rm(dir, { recursive: true, force: true });
  };
  return { ...access, dir, bin, etcd, apiserver, controllerManager, stop, [Symbol.asyncDispose]: stop };
}

const credentials = async ({ dir, api }: Place, token: string): Promise<Credentials> => ({
  url: `https://127.0.0.1:${api}`,
  ca: await readFile(path.join(dir, "pki", "apiserver.crt"), "utf8"),
  token,
});

/** Its certificate, which it makes itself, is there before it serves: at first not at all, then perhaps in part. */
async function apiserverReady(place: Place, token: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const { url, ca } = await credentials(place, token);
      if (/-----END CERTIFICATE-----\s*$/.test(ca)) return await until(`${url}/readyz`, signal, ca, token);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
    await pause(50, undefined, { signal });
  }
}
