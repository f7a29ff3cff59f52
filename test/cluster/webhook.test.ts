import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { issueCertificate } from "../../src/kube/certificate.ts";
import { freePort } from "../../src/services/free-port.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { openClusterHouse } from "./house.ts";

const configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/** A certificate as cert-manager would mount it, of nobody's but this test's trust. */
async function mountCertificate() {
  const day = 86_400_000;
  const { cert, key, ca } = issueCertificate({ dnsNames: ["localhost"], from: Date.now() - day, until: Date.now() + day });
  const folder = await mkdtemp(join(tmpdir(), "worktide-webhook-"));
  await Promise.all([writeFile(join(folder, "tls.crt"), cert), writeFile(join(folder, "tls.key"), key)]);
  return { folder, ca, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

describe("the webhook of worktide controller", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  it("refuses what the cluster around makes wrong, and says what may still come", async () => {
    await using house = await openClusterHouse(plane);
    await using mounted = await mountCertificate();
    const port = await freePort();
    const name = `worktide-${house.room}`;
    await using _life = await house.start(["--webhook", `127.0.0.1:${port}`, "--webhook-cert-dir", mounted.folder]);
    await plane.request("POST", configurations, {
      metadata: { name },
      webhooks: [
        {
          name: "check.worktide.dev",
          admissionReviewVersions: ["v1"],
          clientConfig: { url: `https://localhost:${port}/admit`, caBundle: Buffer.from(mounted.ca).toString("base64") },
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": house.room } },
          rules: [{ apiGroups: ["worktide.dev"], apiVersions: ["v1alpha1"], operations: ["CREATE", "UPDATE"], resources: ["*"] }],
          failurePolicy: "Ignore",
          sideEffects: "None",
          timeoutSeconds: 10,
        },
      ],
    });
    try {
      await house.connection("main");
      await house.deployment("mails", 1);
      const refusal = async (worker: string, spec: object = {}) => {
        try {
          await house.worker(worker, spec);
        } catch (error) {
          return String(error);
        }
        await plane.request("DELETE", `${house.ours}/scaledworkers/${worker}`);
        return "";
      };
      const onMails = { target: { kind: "Deployment", name: "mails" } };
      const blind = {
        triggers: [{ name: "a", connection: "main", redis: { set: { key: "a" } }, goal: { waitingPerReplica: 1 } }],
      };
      await waitFor("the webhook is asked", async () => (await refusal("blind", blind)).includes("cannot see which jobs"));

      await house.worker("mails");
      await waitFor("its target is known", async () =>
        (await refusal("other", onMails)).includes("'mails' scales Deployment 'mails' too"),
      );
      const set = { target: { kind: "DaemonSet", name: "mails" } };
      assert.match(await refusal("set", set), /must have a `\/scale` subresource: apps\/v1 DaemonSet has none/);
      await house.deployment("scaled", 1);
      await plane.request("POST", `/apis/autoscaling/v2/namespaces/${house.room}/horizontalpodautoscalers`, {
        metadata: { name: "old" },
        spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "scaled" } },
      });
      await waitFor("the autoscaler is known", async () =>
        (await refusal("scaled")).includes("HorizontalPodAutoscaler: 'old' scales Deployment 'scaled' too"),
      );
      assert.equal(await refusal("later"), "", "its Deployment may still come");
      await house.patch("mails", { spec: { replicas: { max: 6 } } });
    } finally {
      await plane.request("DELETE", `${configurations}/${name}`);
    }
  });
});
