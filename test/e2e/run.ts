// `npm run test:e2e`: a cluster, the images, Worktide by its own manifests, then the tests of this folder in it.
// The cluster is a node of its own on this machine; or the one of WORKTIDE_E2E_KUBECONFIG (kind, k3d), whose node gets the
// images by the command of WORKTIDE_E2E_LOAD, which is given the path of an archive ("kind load image-archive").
import { execFile } from "node:child_process";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { promisify } from "node:util";
import manifest from "../../package.json" with { type: "json" };
import { noNode } from "../support/cluster/node/no-node.ts";
import { nodeTools, startNode } from "../support/cluster/node/node.ts";
import { findPrograms } from "../support/control-plane.ts";
import { buildImages } from "./images.ts";
import { type OpenStage, openStage, type Stage, stageVariables } from "./stage.ts";

const execute = promisify(execFile);
/** As the manifests name it: what runs containers reads more into a short name. */
const controllerTag = `docker.io/library/worktide:${manifest.version}`;
const began = performance.now();
const say = (line: string) => console.error(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`);
const words = process.argv.slice(2);
/** Where no cluster can be had that is said, and is no failure: for a build server of any kind. */
const whereItCan = "--where-it-can";
const named = words.filter((word) => word !== whereItCan);
const patterns = named.length > 0 ? named : [path.join(import.meta.dirname, "*.e2e.ts")];

/** A cluster that is ready, and how an image gets into it. */
type Cluster = AsyncDisposable & Readonly<{ stage: Stage; load(archive: string): Promise<unknown> }>;

async function givenCluster(kubeconfig: string): Promise<Cluster> {
  const programs = await findPrograms();
  const kubectl = "missing" in programs ? "kubectl" : path.join(programs.bin, "kubectl");
  const [command, ...args] = (process.env["WORKTIDE_E2E_LOAD"] ?? "").split(" ");
  const load = async (archive: string) => command && execute(command, [...args, archive]);
  return {
    stage: { kubeconfig: path.resolve(kubeconfig), kubectl, direct: false, journal: "/tmp/worktide-e2e" },
    load,
    [Symbol.asyncDispose]: async () => {},
  };
}

async function ownCluster(): Promise<Cluster> {
  const node = await startNode();
  const programs = await findPrograms();
  if ("missing" in programs) throw new Error(programs.missing);
  const stage = {
    kubeconfig: node.kubeconfig,
    kubectl: path.join(programs.bin, "kubectl"),
    direct: true,
    journal: path.join(node.dir, "journal"),
  };
  return { stage, load: node.importImage, [Symbol.asyncDispose]: () => node.stop() };
}

async function main(): Promise<boolean> {
  const given = process.env["WORKTIDE_E2E_KUBECONFIG"];
  const missing = await noNode();
  if (missing && !given && words.includes(whereItCan)) {
    say(`skipped: ${missing}`);
    return true;
  }
  if (missing && !given) throw new Error(`${missing}: set WORKTIDE_E2E_KUBECONFIG to the kubeconfig of a cluster for tests`);
  const images = missing ? undefined : await buildImages(await nodeTools(), controllerTag, say);
  say(given ? `using the cluster of ${given}` : "starting a node");
  await using cluster = given ? await givenCluster(given) : await ownCluster();
  say("the cluster is ready: importing images");
  for (const archive of Object.values(images ?? {})) await cluster.load(archive);
  await using stage = openStage(cluster.stage);
  Object.assign(process.env, stageVariables(cluster.stage));
  const good = await tried(stage).catch((error: unknown) => console.error(error));
  if (good === undefined) console.error(await stage.report());
  return good === true;
}

/** Installs, runs the tests, and takes the manifests back. */
async function tried(stage: OpenStage): Promise<boolean> {
  say("applying the manifests");
  await stage.install();
  say("running the tests");
  if (!(await runTests())) return false;
  say("taking the manifests back");
  const left = await stage.uninstall();
  if (left !== "") console.error(`uninstalling left behind:\n${left}`);
  return left === "";
}

async function runTests(): Promise<boolean> {
  // One file at a time: they measure, and two cores hold one cluster.
  const stream = run({ globPatterns: patterns, concurrency: 1, timeout: 20 * 60_000 });
  let good = false;
  stream.on("test:summary", ({ file, success, counts }) => {
    if (file === undefined) good = success && counts.tests > 0;
  });
  stream.compose(spec).pipe(process.stdout);
  await new Promise<void>((resolve, reject) => stream.on("end", resolve).on("error", reject));
  return good;
}

process.exitCode = (await main()) ? 0 : 1;
say("done");
