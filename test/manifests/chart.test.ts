import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findPackaging, renderChart } from "../support/packaging.ts";
import { chart, chartObjects, type Made, named, specOf } from "./objects.ts";

const packaging = await findPackaging();
const skip = "missing" in packaging && packaging.missing;

const kinds = (objects: ReadonlyMap<string, Made>) => [...objects.values()].map(({ kind }) => kind);
type Pod = Readonly<{ serviceAccountName: string; containers: readonly Container[]; volumes?: readonly unknown[] }>;
type Container = Readonly<{
  image: string;
  args: readonly string[];
  env: readonly Readonly<{ name: string; value?: string }>[];
  volumeMounts?: readonly unknown[];
}>;
const podOf = (objects: ReadonlyMap<string, Made>) => specOf<{ template: { spec: Pod } }>(objects, "Deployment").template.spec;
const containerOf = (objects: ReadonlyMap<string, Made>): Container => {
  const [container] = podOf(objects).containers;
  assert.ok(container);
  return container;
};
const notes = async (values: object, over: object = {}) => {
  const release = { chart, name: "worktide", namespace: "worktide-system", values, ...over };
  return (await renderChart(release)).files["worktide/templates/NOTES.txt"] ?? "";
};

describe("The Helm chart", { skip }, () => {
  for (const [what, values, says] of [
    ["an unknown value", { replicaCount: 2 }, /replicaCount/],
    ["an unknown value within another", { image: { tagg: "1" } }, /tagg/],
    ["a value of another type", { replicas: "two" }, /replicas/],
    ["too many replicas", { replicas: 50 }, /replicas/],
    ["an unknown scope", { scope: "all" }, /scope/],
    ["a digest that is none", { image: { digest: "latest" } }, /digest/],
    ["namespaces with scope cluster", { namespaces: ["shop"] }, /`namespaces` must be empty with `scope: cluster`/],
    ["all Secrets and some", { secrets: { all: true, names: ["a"] } }, /`secrets.names` must be empty/],
    [
      "a budget that lets no replica be left",
      { replicas: 2, podDisruptionBudget: { maxUnavailable: 2 } },
      /must be less than `replicas`/,
    ],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(chartObjects(values), says);
    });
  }

  it("is taken by Kubernetes versions as clouds name them, and by no older one", async () => {
    const supported = async (kubeVersion: string) =>
      (await renderChart({ chart, name: "worktide", namespace: "worktide-system", kubeVersion })).supported;
    assert.equal(await supported("v1.33.4-gke.1036000"), true);
    assert.equal(await supported("v1.30.2-eks-1552ad0"), true);
    assert.equal(await supported("v1.29.9"), false);
  });

  it("renders as part of another chart", async () => {
    await chartObjects({ global: { imageRegistry: "example.org" } });
  });

  it("labels every object, and selects by labels that no upgrade changes", async () => {
    const metrics = { monitor: { kind: "PodMonitor" }, rules: { enabled: true }, dashboard: { enabled: true } };
    const certManager = { enabled: true };
    const objects = await chartObjects({ replicas: 2, commonLabels: { team: "mail" }, metrics, webhook: { certManager } });
    for (const [key, { metadata }] of objects) {
      for (const label of ["name", "instance", "version", "component", "part-of", "managed-by"]) {
        assert.ok(metadata.labels?.[`app.kubernetes.io/${label}`], `${key} has no label ${label}`);
      }
      assert.equal(metadata.labels?.["team"], "mail", key);
    }
    const { selector } = specOf<{ selector: { matchLabels: object } }>(objects, "Deployment");
    assert.deepEqual(selector.matchLabels, { "app.kubernetes.io/name": "worktide", "app.kubernetes.io/instance": "worktide" });
  });

  it("keeps the definitions at uninstall, unless told otherwise, and has no finalizer or hook that could hang", async () => {
    const kept = [...(await chartObjects()).values()].filter(({ kind }) => kind === "CustomResourceDefinition");
    assert.equal(kept.length, 3);
    for (const { metadata } of kept) assert.equal(metadata.annotations?.["helm.sh/resource-policy"], "keep");
    const gone = await chartObjects({ crds: { keep: false } });
    assert.equal(named(gone, "CustomResourceDefinition")?.metadata.annotations?.["helm.sh/resource-policy"], undefined);
    assert.ok(!kinds(await chartObjects({ crds: { install: false } })).includes("CustomResourceDefinition"));
    for (const { metadata } of (await chartObjects()).values()) {
      assert.equal((metadata as { finalizers?: unknown }).finalizers, undefined);
      assert.ok(!Object.keys(metadata.annotations ?? {}).some((name) => name.startsWith("helm.sh/hook")));
    }
  });

  it("has no ClusterRole, webhook or anything else of the cluster with scope namespaced", async () => {
    const values = { scope: "namespaced", namespaces: ["mail", "shop"], secrets: { names: ["redis"] }, crds: { install: false } };
    for (const [key, { metadata }] of await chartObjects(values)) assert.ok(metadata.namespace, key);
  });

  it("makes a disruption budget for several replicas only", async () => {
    assert.ok(!kinds(await chartObjects()).includes("PodDisruptionBudget"));
    assert.ok(kinds(await chartObjects({ replicas: 2 })).includes("PodDisruptionBudget"));
    assert.ok(
      !kinds(await chartObjects({ replicas: 2, podDisruptionBudget: { enabled: false } })).includes("PodDisruptionBudget"),
    );
  });

  it("uses the account that it is given, and binds that one", async () => {
    const objects = await chartObjects({ serviceAccount: { create: false, name: "theirs" } });
    assert.equal(named(objects, "ServiceAccount"), undefined);
    assert.equal(podOf(objects).serviceAccountName, "theirs");
    for (const { subjects } of objects.values()) {
      for (const subject of (subjects ?? []) as readonly { name: string }[]) assert.equal(subject.name, "theirs");
    }
    assert.equal(podOf(await chartObjects({ serviceAccount: { create: false } })).serviceAccountName, "default");
  });

  it("lets two releases live in one cluster: nothing is called the same", async () => {
    const one = await chartObjects({ crds: { install: false } }, { name: "worktide", namespace: "a" });
    const other = await chartObjects({ crds: { install: false } }, { name: "second", namespace: "a" });
    assert.deepEqual(
      [...one.keys()].filter((key) => other.has(key)),
      [],
    );
    const env = containerOf(other).env.find(({ name }) => name === "WORKTIDE_LEASE_NAME");
    assert.equal(env?.value, "second-worktide", "two elections must not share a lease");
  });

  it("pins an image by digest before its tag", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const image = { repository: "example.org/worktide", tag: "9", digest };
    assert.equal(containerOf(await chartObjects({ image })).image, `example.org/worktide@${digest}`);
  });

  it("passes settings on", async () => {
    const config = { logLevel: "debug", leaseDuration: "5s", allowHosts: ["worktide.example.org"] };
    const { args, env } = containerOf(await chartObjects({ config, extraArgs: ["--history=/tmp/h"] }));
    assert.deepEqual(args, ["controller", "--allow-host=worktide.example.org", "--history=/tmp/h"]);
    const values = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    assert.equal(values["WORKTIDE_LOG_LEVEL"], "debug");
    assert.equal(values["WORKTIDE_LEASE_DURATION"], "5s");
  });

  it("takes the webhook's certificate from cert-manager where asked, its own issuer where none is named", async () => {
    const objects = await chartObjects({ webhook: { certManager: { enabled: true } } });
    const inject = named(objects, "ValidatingWebhookConfiguration")?.metadata.annotations?.["cert-manager.io/inject-ca-from"];
    assert.equal(inject, "worktide-system/worktide-webhook");
    assert.ok(named(objects, "Issuer"));
    assert.ok(!objects.has("Role worktide-system/worktide-webhook"), "who reads a file needs no right to a Secret");
    const container = containerOf(objects);
    assert.ok(container.env.some(({ name }) => name === "WORKTIDE_WEBHOOK_CERT_DIR"));
    assert.equal(container.volumeMounts?.length, 1);
    const issuer = { kind: "ClusterIssuer", name: "theirs" };
    const others = await chartObjects({ webhook: { certManager: { enabled: true, issuer } } });
    assert.equal(named(others, "Issuer"), undefined);
    assert.deepEqual(specOf<{ issuerRef: unknown }>(others, "Certificate").issuerRef, issuer);
  });

  it("makes one kind of monitor, and links alerts to runbook and dashboard", async () => {
    const rules = {
      enabled: true,
      runbookUrl: "https://example.org/runbook",
      dashboardUrl: "https://grafana.example.org/d/worktide",
    };
    const labels = { release: "prometheus" };
    const objects = await chartObjects({ metrics: { monitor: { kind: "PodMonitor", labels }, rules } });
    assert.equal(named(objects, "ServiceMonitor"), undefined);
    assert.equal(named(objects, "PodMonitor")?.metadata.labels?.["release"], "prometheus");
    type Rule = { alert: string; annotations: Record<string, string> };
    const { groups } = specOf<{ groups: readonly { rules: readonly Rule[] }[] }>(objects, "PrometheusRule");
    for (const { alert, annotations } of groups.flatMap((group) => group.rules)) {
      assert.equal(annotations["runbook_url"], `https://example.org/runbook#${alert.toLowerCase()}`);
      assert.match(
        annotations["dashboard_url"] ?? "",
        /^https:\/\/grafana.example.org\/d\/worktide\?var-namespace=\{\{ \$labels/,
      );
    }
  });

  it("names next commands, and warns only of what is so", async () => {
    const plain = await notes({});
    assert.match(plain, /kubectl -n worktide-system rollout status deployment\/worktide/);
    assert.match(plain, /may read no Secret yet/);
    assert.match(plain, /port-forward service\/worktide 8484/);
    assert.doesNotMatch(plain, /WARNING/);
    assert.doesNotMatch(await notes({ secrets: { names: ["redis"] } }), /may read no Secret yet/);
    const monitor = { metrics: { monitor: { kind: "ServiceMonitor" } } };
    assert.match(await notes(monitor), /WARNING: this cluster has no ServiceMonitor/);
    assert.doesNotMatch(await notes(monitor, { apiVersions: ["monitoring.coreos.com/v1/ServiceMonitor"] }), /WARNING/);
  });
});
