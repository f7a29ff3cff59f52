import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { describe, it } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { type ConfigMap, configMaps, planeForSuite } from "../kube/support.ts";
import { namespace } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";

const { skip, plane, kube } = await planeForSuite();

type Written = Readonly<{ term: number; identity: string; at: number }>;

/** Everything that was written, in the order in which the store has it. */
type Ledger = AsyncDisposable & Readonly<{ written: readonly Written[]; last(): Written | undefined }>;

async function keepLedger(kube: KubeClient, space: string): Promise<Ledger> {
  const made = await kube.create<ConfigMap>(configMaps, { metadata: { name: "ledger", namespace: space } });
  const written: Written[] = [];
  const ending = new AbortController();
  const { resourceVersion } = made.metadata;
  const watching = kube
    .watch<ConfigMap>({ kind: configMaps, namespace: space, resourceVersion, signal: ending.signal }, ({ object }) => {
      const { term, identity } = object.data ?? {};
      if (term !== undefined && identity !== undefined) written.push({ term: Number(term), identity, at: performance.now() });
    })
    .catch((error: unknown) => assert.ok(ending.signal.aborted, String(error)));
  return {
    written,
    last: () => written.at(-1),
    async [Symbol.asyncDispose]() {
      ending.abort();
      await watching;
    },
  };
}

/** How long nobody wrote after this moment, ms. */
function gapAfter({ written }: Ledger, at: number): number {
  const heir = written.at(-1)?.identity;
  const first = written.find((one) => one.identity === heir && one.at > at);
  return first ? first.at - at : Number.POSITIVE_INFINITY;
}

/** It says so when it knows who leads. */
const ready = async (child: ChildProcess) => {
  let text = "";
  child.stdout?.on("data", (piece: Buffer) => (text += piece));
  await waitFor("it to know of the leader", () => text.includes("ready"));
};

const terms = ({ written }: Ledger) => written.map(({ term }) => term);

describe("two processes that contend for one Lease", { skip }, () => {
  const start = (space: string, name: string, durationMs: number): ChildProcess & Disposable => {
    const script = path.join(import.meta.dirname, "../kube/leader-process.ts");
    const args = [script, plane.kubeconfig, space, name, String(durationMs)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    return Object.assign(child, { [Symbol.dispose]: () => void child.kill("SIGKILL") });
  };

  it("a leader that was stopped beyond its Lease writes nothing when it goes on (rows 11, 97, I5, I6)", async () => {
    await using space = await namespace(plane);
    await using ledger = await keepLedger(kube, space.name);
    using first = start(space.name, "one", 5_000);
    await waitFor("the first one to write", () => ledger.last()?.identity === "one");
    using second = start(space.name, "two", 5_000);
    for (const round of [1, 2]) {
      const [leader, other] = ledger.last()?.identity === "one" ? [first, "two"] : [second, "one"];
      leader.kill("SIGSTOP");
      await waitFor(`the other one to lead in round ${round}`, () => ledger.last()?.identity === other);
      const before = ledger.written.length;
      leader.kill("SIGCONT");
      await waitFor("fifty more writes", () => ledger.written.length > before + 50);
    }
    const leaders = new Set(ledger.written.map(({ term, identity }) => `${term} ${identity}`));
    assert.equal(leaders.size, new Set(terms(ledger)).size, `two wrote in one term: ${[...leaders]}`);
    assert.deepEqual(
      terms(ledger),
      terms(ledger).toSorted((a, b) => a - b),
      "terms never go back",
    );
  });

  it("a leader that is asked to end hands over at once, one that is killed within the length of the Lease (row 86, I30)", async () => {
    await using space = await namespace(plane);
    await using ledger = await keepLedger(kube, space.name);
    using first = start(space.name, "one", 60_000);
    await waitFor("the first one to write", () => ledger.last()?.identity === "one");
    using second = start(space.name, "two", 15_000);
    await ready(second);
    const ended = once(first, "exit");
    const askedAt = performance.now();
    first.kill("SIGTERM");
    await waitFor("the second one to write", () => ledger.last()?.identity === "two");
    const handOver = gapAfter(ledger, askedAt);
    assert.deepEqual(await ended, [0, null]);
    using third = start(space.name, "three", 15_000);
    await ready(third);
    const killedAt = performance.now();
    second.kill("SIGKILL");
    await waitFor("the third one to write", () => ledger.last()?.identity === "three");
    const crash = gapAfter(ledger, killedAt);
    console.log(`hand-over ${handOver.toFixed(0)} ms, after a crash ${crash.toFixed(0)} ms`);
    assert.ok(handOver < 45_000, `${handOver} ms: it did not wait for the minute of its Lease to end`);
    assert.ok(third.exitCode === null);
  });
});
