import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { findPrograms } from "../../control-plane.ts";
import { type Access, openAccess } from "../access.ts";
import { type Component, startComponent, watchdog } from "../component.ts";
import { admin, writeSecrets } from "../secrets.ts";
import { makeCgroups } from "./cgroups.ts";
import { type NodePlace, nodeFiles, nodeName } from "./config.ts";
import { unpackPackages } from "./debian.ts";
import { works } from "./no-node.ts";

const run = promisify(execFile);

/** A real Kubernetes cluster of one node on this machine. Pods have no way out but to `machine`, this end of the wire. */
export interface Node extends Access {
  readonly dir: string;
  /** The node's address, and this machine's as pods see it. */
  readonly ip: string;
  readonly machine: string;
  /** Makes the images of an OCI archive known to the node. */
  importImage(archive: string): Promise<void>;
  /** Runs a program inside the node; resolves with what it printed. */
  inside(command: string, args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

const packages = ["containerd", "runc", "containernetworking-plugins", "nftables", "buildah"];
const NODE_MS = 180_000;

/** What Debian has for it: containerd, runc, and buildah, which makes the images. */
export const nodeTools = (): Promise<string> =>
  unpackPackages({ env: process.env, packages, onProgress: (line) => console.error(line) });

/** Starts a node and waits until it takes pods, 10 to 25 s. It ends with this process, however that goes. */
export async function startNode(): Promise<Node> {
  const programs = await findPrograms();
  if ("missing" in programs) throw new Error(programs.missing);
  const tools = await nodeTools();
  const dir = await mkdtemp(path.join(tmpdir(), "worktide-node-"));
  const guard = watchdog(dir);
  try {
    return await launch(programs.bin, tools, dir, guard);
  } catch (error) {
    await guard.dismiss();
    throw error;
  }
}

async function launch(bin: string, tools: string, dir: string, guard: ReturnType<typeof watchdog>): Promise<Node> {
  const id = await freeId();
  const place = { dir, tools, ip: `10.245.${id}.2`, machine: `10.245.${id}.1`, pods: `10.${100 + id}.0` };
  const url = `https://${place.ip}:6443`;
  const token = await writeConfig(place, url);
  const { groups, controllers } = await makeCgroups(dir, `worktide-${id}`);
  const env = {
    ...process.env,
    DIR: dir,
    BIN: bin,
    TOOLS: tools,
    IP: place.ip,
    PODS: place.pods,
    CONTROLLERS: controllers.join(" "),
  };
  const join = 'for g in "$@"; do echo $$ > "$g/cgroup.procs"; done';
  const spaces = "--mount --net --pid --uts --ipc --cgroup --fork --kill-child --mount-proc --propagation slave";
  const inside = path.join(import.meta.dirname, "inside.sh");
  const component = await startComponent({
    name: "node",
    dir,
    env,
    command: ["/bin/sh", "-c", `${join}; exec unshare ${spaces} /bin/bash "$0"`, inside, ...groups],
    ready: async (signal) => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(NODE_MS)]);
      await connect(place, `worktide${id}`, limit);
      await appears(path.join(dir, "started"), limit);
    },
  });
  const ca = await readFile(path.join(dir, "pki", "apiserver.crt"), "utf8");
  const admin = await openAccess(path.join(dir, "admin.kubeconfig"), bin, { url, ca, token });
  await nodeReady(admin);
  return asNode(admin, component, place, guard);
}

function asNode(admin: Access, component: Component, place: NodePlace, guard: ReturnType<typeof watchdog>): Node {
  const { dir, tools, ip, machine } = place;
  const inside = async (command: string, args: readonly string[]) => {
    const pid = await firstChild(component.pid);
    const enter = ["-t", String(pid), "-m", "-n", "-p", "-u", "-i", "-C", "--", command, ...args];
    return (await run("nsenter", enter, { maxBuffer: 64 << 20 })).stdout;
  };
  const stop = async () => {
    await admin[Symbol.asyncDispose]();
    await component.kill9();
    await guard.dismiss();
    await rm(dir, { recursive: true, force: true });
  };
  const importImage = async (archive: string) => {
    await inside(path.join(tools, "usr/bin/ctr"), ["-n", "k8s.io", "images", "import", archive]);
  };
  return { ...admin, dir, ip, machine, inside, importImage, stop, [Symbol.asyncDispose]: stop };
}

/** Everything that the programs read; answers the administrator's token. */
async function writeConfig(place: NodePlace, url: string): Promise<string> {
  const { dir } = place;
  for (const [name, text] of Object.entries(nodeFiles(place))) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), text);
  }
  const users = [admin, { name: `system:node:${nodeName}`, group: "system:nodes" }];
  const [token = "", kubeletToken = ""] = await writeSecrets(dir, users);
  await writeFile(path.join(dir, "kubeconfig"), kubeconfig(dir, url, token), { mode: 0o600 });
  await writeFile(path.join(dir, "kubelet.kubeconfig"), kubeconfig(dir, url, kubeletToken), { mode: 0o600 });
  // The API server's own certificate towards the kubelet, which trusts nobody else.
  const [key, certificate] = [path.join(dir, "kubelet-client.key"), path.join(dir, "kubelet-client.crt")];
  const subject = "/O=system:masters/CN=kube-apiserver-kubelet-client";
  const args = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "30",
    "-subj",
    subject,
    "-keyout",
    key,
    "-out",
    certificate,
  ];
  await run("openssl", args);
  return token;
}

/** For programs that start before the API server has made its certificate. */
const kubeconfig = (dir: string, server: string, token: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "node", cluster: { server, "certificate-authority": path.join(dir, "pki", "apiserver.crt") } }],
    users: [{ name: "node", user: { token } }],
    contexts: [{ name: "node", context: { cluster: "node", user: "node" } }],
    "current-context": "node",
  });

/** A wire between this machine and the node; the kernel removes it with the node's network. */
async function connect({ dir, ip, machine, pods }: NodePlace, name: string, signal: AbortSignal): Promise<void> {
  await appears(path.join(dir, "want-network"), signal);
  const pid = await firstChild(Number(await readFile(path.join(dir, "node.pid"), "utf8")));
  await run("ip", ["link", "add", name, "type", "veth", "peer", "name", "machine", "netns", String(pid)]);
  await run("ip", ["addr", "add", `${machine}/30`, "dev", name]);
  await run("ip", ["link", "set", name, "up"]);
  await writeFile(path.join(dir, "have-network"), "");
  await run("ip", ["route", "add", `${pods}.0/24`, "via", ip]);
}

/** The first number for which this machine has no wire yet. */
async function freeId(): Promise<number> {
  for (let id = 0; id < 100; id++) if (!(await works("ip", ["link", "show", `worktide${id}`]))) return id;
  throw new Error("a hundred nodes run on this machine already");
}

async function nodeReady(admin: Access): Promise<void> {
  const args = ["--for=condition=Ready", `--timeout=${NODE_MS / 1000}s`];
  await admin.kubectl(["wait", ...args, "--for=create", `node/${nodeName}`]).catch(() => undefined);
  await admin.kubectl(["wait", ...args, `node/${nodeName}`]);
  await admin.kubectl(["wait", "--for=create", `--timeout=${NODE_MS / 1000}s`, "serviceaccount/default"]);
}

async function firstChild(pid: number): Promise<number> {
  return Number.parseInt(await readFile(`/proc/${pid}/task/${pid}/children`, "utf8"), 10);
}

async function appears(file: string, signal: AbortSignal): Promise<void> {
  while (!(await works("test", ["-e", file]))) await pause(100, undefined, { signal });
}
