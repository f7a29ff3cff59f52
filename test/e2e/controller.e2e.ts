import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/wait.ts";
import { openRoom, type Room } from "./room.ts";
import { theStage } from "./stage.ts";
import { bullmqCommand, connection, scaledWorker, workers } from "./workloads.ts";

const WAIT_MS = 120_000;
const home = "worktide-system";
const stage = theStage();

type Pods = {
  items: readonly { metadata: { name: string }; status: { containerStatuses?: readonly { restartCount: number }[] } }[];
};

describe("the controller in its own pod", () => {
  let room: Room;
  before(async () => {
    room = await openRoom(stage);
  });
  after(async () => {
    await room?.[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  });
  const ask = (path: string) => stage.kubectl(["get", "--raw", `/api/v1/namespaces/${home}/services/worktide:http/proxy${path}`]);
  const pods = async () =>
    (await stage.json<Pods>("get", "pods", "-n", home, "-l", "app.kubernetes.io/component=controller")).items;

  it("answers probes and Prometheus through its Service", async () => {
    await waitFor(
      "readiness",
      async () =>
        ask("/readyz").then(
          () => true,
          () => false,
        ),
      WAIT_MS,
    );
    assert.match(await ask("/metrics"), /^worktide_/m);
  });

  it("shows its page to those who come by kubectl port-forward, and not to the network", async () => {
    await assert.rejects(ask("/api/v1/workers"), /Forbidden/);
    const address = await stage.forward(home, "service/worktide", 8484);
    assert.match(await (await fetch(`http://${address}/`)).text(), /<title>/);
    assert.equal((await fetch(`http://${address}/api/v1/workers`)).status, 200);
  });

  it("is admitted where only hardened pods are, and the API server refuses it what its roles do not say", async () => {
    const labels = await stage.kubectl(["get", "namespace", home, "-o", "jsonpath={.metadata.labels}"]);
    assert.match(labels, /"pod-security.kubernetes.io\/enforce":"restricted"/);
    const may = (verb: string, ...resource: readonly string[]) =>
      stage.kubectl(["auth", "can-i", verb, ...resource, "-A", `--as=system:serviceaccount:${home}:worktide`]).then(
        (answer) => answer.trim(),
        () => "no", // kubectl exits with 1
      );
    assert.equal(await may("update", "deployments.apps", "--subresource=scale"), "yes");
    assert.equal(await may("update", "deployments.apps"), "no");
    assert.equal(await may("list", "secrets"), "no");
  });

  it("hands over to the pod that takes its place, which goes on where it was", async () => {
    const name = "mails";
    const options = { journal: stage.journal };
    await stage.apply(
      [workers(name, bullmqCommand, options), connection(room.name), scaledWorker(name, { bullmq: { queue: name } }, 2)],
      room.name,
    );
    await stage.kubectl(["wait", "-n", room.name, "--for=condition=Ready", `scaledworker/${name}`, "--timeout=60s"]);
    const sizes = await room.sizes(name);
    const [old] = await pods();
    await stage.kubectl(["delete", "pod", "-n", home, old?.metadata.name ?? "", "--wait=false"]);
    await room.addBullmq(name, [{ ms: 500 }, { ms: 500 }]);
    await waitFor("two replicas", () => sizes.at(-1)?.replicas === 2, WAIT_MS);
    await waitFor("the end of both jobs", async () => (await room.journal(name)).ended.length === 2, WAIT_MS);
    await waitFor("no replicas", () => sizes.at(-1)?.replicas === 0, WAIT_MS);
    await waitFor(
      "another pod",
      async () => {
        const now = await pods();
        return now.length === 1 && now[0]?.metadata.name !== old?.metadata.name;
      },
      WAIT_MS,
    );
    assert.equal((await pods())[0]?.status.containerStatuses?.[0]?.restartCount, 0);
  });
});
