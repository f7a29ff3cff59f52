import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type ControlPlane, noControlPlane, startControlPlane } from "../support/control-plane.ts";
import { findHelm } from "../support/helm.ts";

const run = promisify(execFile);
const found = await findHelm();
const noHelm = "missing" in found && found.missing;
const program = "file" in found ? found.file : "";
const chart = path.join(import.meta.dirname, "../../manifests/chart");

describe("Helm itself, on a real API server", { skip: noHelm || (await noControlPlane()) }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
  });
  after(() => plane?.stop());

  const helm = async (...args: readonly string[]) => {
    const home = path.join(plane.dir, "helm");
    const env = { ...process.env, KUBECONFIG: plane.kubeconfig };
    const own = { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home };
    return (await run(program, args, { env: { ...env, ...own }, maxBuffer: 16 << 20 })).stdout;
  };
  const inOwn = ["-n", "worktide-system"];
  const rest = { replicas: 2, webhook: { failurePolicy: "Fail" }, metrics: { dashboard: { enabled: true } } };
  const more = [
    "--set-json",
    `replicas=${rest.replicas},webhook=${JSON.stringify(rest.webhook)},metrics=${JSON.stringify(rest.metrics)}`,
  ];
  const ofOurs = async () => {
    const kinds = "clusterroles,clusterrolebindings,validatingwebhookconfigurations,customresourcedefinitions,";
    const namespaced = "deployments,services,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets";
    const label = "app.kubernetes.io/part-of=worktide";
    return (await plane.kubectl(["get", kinds + namespaced, "-A", "-l", label, "-o", "name"])).trim().split("\n").filter(Boolean);
  };

  it("lints the chart, and renders it for a cluster that it does not ask", async () => {
    assert.match(await helm("lint", "--strict", chart), /0 chart\(s\) failed/);
    assert.match(await helm("template", "worktide", chart, ...inOwn, "--kube-version", "1.36", ...more), /kind: Deployment/);
    await assert.rejects(helm("template", "worktide", chart, "--kube-version", "1.36", "--set", "replica=2"), /replica/);
    await assert.rejects(helm("template", "worktide", chart, "--kube-version", "1.29"), /kubeVersion/);
  });

  it("tries the install on the server, installs, upgrades, and takes all back but the definitions", async () => {
    await helm("install", "worktide", chart, ...inOwn, "--create-namespace", "--dry-run=server");
    assert.deepEqual(await ofOurs(), [], "a dry run leaves nothing");
    const said = await helm("install", "worktide", chart, ...inOwn, "--create-namespace");
    assert.match(said, /STATUS: deployed/);
    assert.match(said, /kubectl .*port-forward/, "the notes say what comes next");
    assert.ok((await ofOurs()).includes("deployment.apps/worktide"));
    assert.match(await helm("upgrade", "worktide", chart, ...inOwn, ...more), /REVISION: 2/);
    assert.match(await plane.kubectl(["get", "deployment/worktide", ...inOwn, "-o", "jsonpath={.spec.replicas}"]), /^2$/);
    assert.match(await helm("rollback", "worktide", "1", ...inOwn), /success/);
    await helm("uninstall", "worktide", ...inOwn);
    const left = await ofOurs();
    assert.deepEqual(
      left.filter((name) => !/^customresourcedefinition\.\S+\.worktide\.dev$/.test(name)),
      [],
    );
    assert.equal(left.length, 3, "definitions stay, and with them what was declared");
    await helm("install", "worktide", chart, ...inOwn); // over the definitions that stayed
    await helm("uninstall", "worktide", ...inOwn);
  });
});
