import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { JobTarget } from "../../src/api/resolve-target.ts";
import { createJobTarget } from "../../src/targets/job.ts";
import { established } from "../support/cluster/established.ts";
import { type ControlPlane, noControlPlane, startControlPlane } from "../support/control-plane.ts";
import { change, never, openRig, waitFor, waitMs } from "./cluster-rig.ts";

type JobThing = { metadata: { name: string; uid: string; labels: Record<string, string> }; status: { active?: number } };

const jobTarget = (changes: Partial<JobTarget> = {}): JobTarget => ({
  kind: "job",
  template: {
    metadata: { labels: {}, annotations: {} },
    spec: {
      backoffLimit: 0,
      template: { spec: { restartPolicy: "Never", containers: [{ name: "worker", image: "none" }] } },
    },
  },
  templateDigest: "first",
  takes: "One",
  onTemplateChange: "Keep",
  successfulJobsHistoryLimit: 3,
  failedJobsHistoryLimit: 3,
  backoff: { afterFailures: 3, initialMs: 60_000, maxMs: 60_000 },
  ...changes,
});

/** The kind of the owner has to be there: the garbage collector removes what belongs to nobody. */
const scaledWorker = (name: string) => ({
  apiVersion: "worktide.dev/v1alpha1",
  kind: "ScaledWorker",
  metadata: { name },
  spec: {
    target: { kind: "Deployment", name },
    replicas: { min: 0, max: 3 },
    triggers: [{ name: "mails", connection: "main", bullmq: { queue: "mails" }, goal: { jobsPerReplica: 1 } }],
  },
});

describe("Jobs as a target", { skip: await noControlPlane() }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
    const crds = new URL("../../manifests/crds", import.meta.url).pathname;
    await plane.kubectl(["apply", "--server-side", "-k", crds]);
    await established(plane);
  });
  after(() => plane?.stop());

  async function openJobs(changes: Partial<JobTarget> = {}) {
    const rig = await openRig(plane);
    const jobs = `/apis/batch/v1/namespaces/${rig.room}/jobs`;
    const workers = `/apis/worktide.dev/v1alpha1/namespaces/${rig.room}/scaledworkers`;
    const { uid = "" } = (await plane.request("POST", workers, scaledWorker("mails"))).metadata;
    const owner = { namespace: rig.room, name: "mails", uid };
    const failures: unknown[] = [];
    const open = (more: Partial<JobTarget> = {}) => {
      const failed = (_: string, cause: unknown) => void failures.push(cause);
      const target = jobTarget({ ...changes, ...more });
      return createJobTarget({ target, owner, kube: rig.kube, watches: rig.openWatches(), failed });
    };
    const target = open();
    const known = (of = target) => waitFor("the pool", () => of.pool() !== undefined, waitMs);
    await known();
    const list = async () => (await plane.request<{ items: JobThing[] }>("GET", jobs)).items;
    const names = async () => (await list()).map(({ metadata }) => metadata.name).toSorted();
    /** Lets the pod of a Job run, or end. */
    const phase = async (job: string, status: "Running" | "Succeeded" | "Failed") => {
      const find = async () => (await rig.pods()).find(({ metadata }) => metadata.labels["job-name"] === job);
      await waitFor(`the pod of ${job}`, async () => (await find()) !== undefined, waitMs);
      const pod = await find();
      assert.ok(pod);
      await rig.run(pod);
      if (status === "Running") return;
      const path = `${rig.core}/pods/${pod.metadata.name}/status`;
      await plane.request("PATCH", path, { status: { phase: status, conditions: [], containerStatuses: [] } });
    };
    const existing = (size: number) => waitFor(`${size} Jobs`, () => target.pool()?.existing === size, waitMs);
    return { ...rig, workers, target, open, known, list, names, phase, existing, failures, owner };
  }

  it("are made up to the size, and count before the watch shows them", async () => {
    await using rig = await openJobs();
    const { target } = rig;
    assert.equal(target.pool()?.wanted, 0);
    assert.deepEqual(await target.apply(change(0, 3), never), { size: 3 });
    assert.deepEqual([target.pool()?.wanted, target.pool()?.existing, target.pool()?.ready], [3, 3, 0]);
    assert.deepEqual(await rig.names(), ["mails-1-1", "mails-2-1", "mails-3-1"]);
    assert.deepEqual(await target.apply(change(3, 3), never), { size: 3, note: "Jobs run to their end" });
    assert.equal(rig.writes().length, 3);
  });

  it("run to their end: a smaller size touches none, and what ended is refilled under a new name", async () => {
    await using rig = await openJobs();
    const { target } = rig;
    await target.apply(change(0, 2), never);
    await rig.phase("mails-1-1", "Running");
    await waitFor("one begun", () => target.pool()?.ready === 1, waitMs);
    assert.equal(target.pool()?.removal?.who, "none");
    assert.equal((await target.apply(change(2, 0), never)).size, 2);
    assert.deepEqual(await rig.names(), ["mails-1-1", "mails-2-1"]);
    await waitFor("it to count as begun", () => target.pool()?.begun === 1, waitMs);
    let told = 0;
    target.onChange(() => told++);
    await rig.phase("mails-1-1", "Succeeded");
    await rig.existing(1);
    await waitFor("it to be told", () => told > 0, waitMs);
    await waitFor("its end to be told too", () => target.pool()?.leaving === 0, waitMs);
    assert.deepEqual(await target.apply(change(1, 2), never), { size: 2 });
    assert.deepEqual(await rig.names(), ["mails-1-1", "mails-1-2", "mails-2-1"]);
  });

  it("that take many jobs are never said to take no more", async () => {
    await using rig = await openJobs({ takes: "Many" });
    await rig.target.apply(change(0, 1), never);
    await rig.phase("mails-1-1", "Running");
    await waitFor("it to run", () => rig.target.pool()?.ready === 1, waitMs);
    assert.equal(rig.target.pool()?.begun, undefined);
  });

  it("are found again after a restart, and made once by two who do not see each other (row 21, I24)", async () => {
    await using rig = await openJobs();
    const other = rig.open();
    await rig.known(other);
    const both = await Promise.all([rig.target.apply(change(0, 3), never), other.apply(change(0, 3), never)]);
    assert.deepEqual(
      both.map(({ size }) => size),
      [3, 3],
    );
    assert.deepEqual(await rig.names(), ["mails-1-1", "mails-2-1", "mails-3-1"]);
    const third = rig.open();
    await rig.known(third);
    assert.equal(third.pool()?.wanted, 3);
    await other[Symbol.asyncDispose]();
    await third[Symbol.asyncDispose]();
  });

  it("that have ended are kept as many as wanted", async () => {
    await using rig = await openJobs({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 });
    await rig.target.apply(change(0, 3), never);
    await rig.phase("mails-1-1", "Failed");
    await rig.phase("mails-2-1", "Succeeded");
    await rig.phase("mails-3-1", "Succeeded");
    await waitFor("one of them", async () => (await rig.list()).length === 1, waitMs);
    assert.match((await rig.names()).join(), /^mails-[23]-1$/);
    assert.deepEqual(rig.failures, []);
    await rig.existing(0);
    await rig.target.apply(change(0, 1), never);
    assert.ok((await rig.names()).includes("mails-1-2"), "a name is not used again, though its Job is gone");
  });

  it("that fail one after the other make it wait, then try one (row 13)", async () => {
    await using rig = await openJobs({ backoff: { afterFailures: 2, initialMs: 3000, maxMs: 3000 } });
    await rig.target.apply(change(0, 2), never);
    await rig.phase("mails-1-1", "Failed");
    await rig.phase("mails-2-1", "Failed");
    await waitFor("the trouble", () => rig.target.trouble()?.reason === "CrashLooping", waitMs);
    const pool = rig.target.pool();
    assert.deepEqual([pool?.limit?.most, pool?.limit?.reason], [0, "WorkersFailing"]);
    assert.match(rig.target.trouble()?.message ?? "", /^2 Jobs failed in a row \(BackoffLimitExceeded/);
    let told = 0;
    rig.target.onChange(() => told++);
    await waitFor("one more to be allowed", () => rig.target.pool()?.limit?.most === 1, waitMs);
    await waitFor("it to say so by itself", () => told > 0, waitMs);
    await rig.target.apply(change(0, 1), never);
    await rig.phase("mails-1-2", "Succeeded");
    await waitFor("the end of it", () => rig.target.pool()?.limit === undefined && rig.target.trouble() === undefined, waitMs);
  });

  it("of a former template go on, unless they are to be replaced", async () => {
    await using rig = await openJobs();
    await rig.target.apply(change(0, 2), never);
    const keeping = rig.open({ templateDigest: "second" });
    await rig.known(keeping);
    assert.equal(keeping.pool()?.existing, 2);
    await keeping.apply(change(2, 3), never);
    const labels = (await rig.list()).map(({ metadata }) => metadata.labels["worktide.dev/template"]);
    assert.deepEqual(labels.toSorted(), ["first", "first", "second"]);
    await keeping[Symbol.asyncDispose]();
    const replacing = rig.open({ templateDigest: "second", onTemplateChange: "Replace" });
    await rig.known(replacing);
    await waitFor("the new one alone", () => replacing.pool()?.existing === 1 && replacing.pool()?.leaving === 0, waitMs);
    assert.deepEqual(await rig.names(), ["mails-3-1"]);
    await replacing[Symbol.asyncDispose]();
  });

  it("whose pods cannot start say why", async () => {
    await using rig = await openJobs();
    await rig.target.apply(change(0, 1), never);
    await waitFor("its pod", async () => (await rig.pods()).length === 1, waitMs);
    const [pod] = await rig.pods();
    const state = { waiting: { reason: "ImagePullBackOff", message: "Back-off pulling image none" } };
    const container = { name: "worker", image: "none", imageID: "", ready: false, restartCount: 0, state };
    await plane.request("PATCH", `${rig.core}/pods/${pod?.metadata.name}/status`, { status: { containerStatuses: [container] } });
    await waitFor("the trouble", () => rig.target.trouble()?.reason === "CannotStart", waitMs);
    assert.match(rig.target.trouble()?.message ?? "", /ImagePullBackOff: Back-off pulling image none$/);
    assert.equal(rig.target.pool()?.limit?.most, 1);
  });

  it("that the API server refuses are told of", async () => {
    await using rig = await openJobs({
      template: { metadata: { labels: {}, annotations: {} }, spec: { template: { spec: { containers: [] } } } },
    });
    await assert.rejects(rig.target.apply(change(0, 2), never), /containers/);
    assert.equal(rig.target.pool()?.wanted, 0);
  });

  it("outlive their ScaledWorker, and are those of the next one of that name", async () => {
    await using rig = await openJobs();
    await rig.target.apply(change(0, 2), never);
    await rig.phase("mails-1-1", "Running");
    for (const { metadata } of await rig.list()) assert.ok(!("ownerReferences" in metadata), "nobody collects it");
    await plane.request("DELETE", `${rig.workers}/mails`);
    await plane.request("POST", rig.workers, scaledWorker("mails"));
    const next = createJobTarget({
      ...{ target: jobTarget(), kube: rig.kube, watches: rig.openWatches(), failed: assert.fail },
      owner: { ...rig.owner, uid: "another" },
    });
    await rig.known(next);
    assert.equal(next.pool()?.existing, 2);
    assert.notEqual(next.pool()?.uid, rig.target.pool()?.uid, "what was decided for the former one is forgotten");
    assert.deepEqual(await next.apply(change(2, 3), never), { size: 3 });
    assert.deepEqual(await rig.names(), ["mails-1-1", "mails-2-1", "mails-3-1"]);
    await next[Symbol.asyncDispose]();
  });
});
