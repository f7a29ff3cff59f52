import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { stringify } from "yaml";
import { permissions } from "../../src/install/permissions.ts";
import { chartObjects, keyOf, kustomized, type Made, printed, specOf } from "../manifests/objects.ts";
import { definitionS, established } from "../support/cluster/established.ts";
import { ApiError, type ControlPlane, noControlPlane, startControlPlane } from "../support/control-plane.ts";
import { findPackaging } from "../support/packaging.ts";
import { waitFor } from "../support/wait.ts";

const skip = await noControlPlane();
const packaging = await findPackaging();
const noHelm = "missing" in packaging && packaging.missing;
const text = (objects: Iterable<Made>) =>
  [...objects].map((object) => stringify(object, { aliasDuplicateObjects: false })).join("---\n");
/** What other projects' operators must know: the API server of a test does not. */
const foreign = (object: Made) => /^(monitoring\.coreos\.com|cert-manager\.io)\//.test(object.apiVersion);

const worker = {
  apiVersion: "worktide.dev/v1alpha1",
  kind: "ScaledWorker",
  metadata: { name: "mails", namespace: "default" },
  spec: {
    target: { kind: "Deployment", name: "mails" },
    replicas: { min: 0, max: 3 },
    triggers: [{ name: "mails", connection: "main", bullmq: { queue: "mails" }, goal: { jobsPerReplica: 1 } }],
  },
};

describe("On a real API server", { skip, timeout: 3 * definitionS * 1000 }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
    for (const name of ["worktide-system", "mail", "shop"])
      await plane.request("POST", "/api/v1/namespaces", { metadata: { name } });
  });
  after(() => plane?.stop());

  const dryRun = (objects: Iterable<Made>) =>
    plane.kubectl(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"], text(objects));

  for (const overlay of ["cluster", "namespaced", "ha"]) {
    it(`the kustomization ${overlay} is taken as it stands`, async () => {
      const objects = await kustomized(`overlays/${overlay}`);
      const answered = await dryRun(objects.values());
      assert.equal(answered.trim().split("\n").length, objects.size, answered);
    });
  }

  const charts = {
    "all by default": {},
    "several replicas, with everything on": {
      replicas: 3,
      secrets: { names: ["redis"] },
      targets: [{ group: "example.org", resources: ["crews"] }],
      commonLabels: { team: "mail" },
      priorityClassName: "system-cluster-critical",
      config: { logLevel: "debug", logFormat: "pretty", leaseDuration: "5s", allowHosts: ["worktide.example.org"] },
      webhook: { failurePolicy: "Fail", timeoutSeconds: 3 },
      extraEnv: [{ name: "NODE_OPTIONS", value: "--max-old-space-size=300" }],
      extraVolumes: [{ name: "tmp", emptyDir: {} }],
      extraVolumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
      tolerations: [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists" }],
      metrics: { dashboard: { enabled: true } },
      extraObjects: [
        'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: "{{ .Release.Name }}-more" }',
        { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "more" } },
      ],
    },
    "two namespaces": { scope: "namespaced", namespaces: ["mail", "shop"], secrets: { all: true } },
    "as little as possible": {
      crds: { install: false },
      rbac: { create: false },
      serviceAccount: { create: false },
      webhook: { enabled: false },
      networkPolicy: { enabled: false },
    },
  };
  for (const [what, values] of Object.entries(charts)) {
    it(`the chart is taken: ${what}`, { skip: noHelm }, async () => {
      const objects = [...(await chartObjects(values)).values()].filter((object) => !foreign(object));
      const answered = await dryRun(objects);
      assert.equal(answered.trim().split("\n").length, objects.length, answered);
    });
  }

  it("its pod is admitted where pods must be restricted, and one that is not hardened is refused", async () => {
    const name = "restricted";
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await plane.request("POST", "/api/v1/namespaces", { metadata: { name, labels } });
    const { spec } = specOf<{ template: { spec: object } }>(await printed(), "Deployment").template;
    const pods = `/api/v1/namespaces/${name}/pods?dryRun=All`;
    await plane.request("POST", pods, { metadata: { name: "hardened" }, spec });
    const open = { metadata: { name: "open" }, spec: { ...spec, securityContext: {} } };
    await assert.rejects(
      plane.request("POST", pods, open),
      (error: unknown) => error instanceof ApiError && error.status === 403,
    );
  });

  it("its account may do all that the table says, and none of what it does not", async () => {
    await plane.kubectl(["apply", "--server-side", "-f", "-"], text((await printed()).values()));
    await established(plane);
    const may = async (namespace: string, group: string, resource: string, verb: string, name?: string) => {
      const [kind, subresource] = resource.split("/");
      const resourceAttributes = {
        namespace,
        group,
        resource: kind,
        verb,
        ...(subresource && { subresource }),
        ...(name && { name }),
      };
      const spec = { user: "system:serviceaccount:worktide-system:worktide", resourceAttributes };
      const url = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
      return (await plane.request<{ status: { allowed: boolean } }>("POST", url, { spec })).status.allowed;
    };
    for (const { reach, group, resources, names, verbs } of permissions) {
      const namespace = {
        watched: "shop",
        own: "worktide-system",
        cluster: "",
        webhook: "worktide-system",
        "webhook-cluster": "",
      }[reach];
      for (const resource of resources) {
        // Roles and bindings reach the authorizer by its watch, a moment after they were applied.
        for (const verb of verbs) await waitFor(`${verb} ${resource}`, () => may(namespace, group, resource, verb, names?.[0]));
      }
    }
    const refused = [
      ["shop", "", "secrets", "get", "redis"],
      ["worktide-system", "", "secrets", "get", "other"],
      ["worktide-system", "", "secrets", "list"],
      ["shop", "apps", "deployments", "patch", "mails"],
      ["shop", "apps", "deployments", "update", "mails"],
      ["shop", "coordination.k8s.io", "leases", "update", "worktide"],
      ["shop", "worktide.dev", "scaledworkers", "delete", "mails"],
      ["shop", "", "pods/exec", "create", "mails"],
      ["", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "patch", "other"],
      ["", "rbac.authorization.k8s.io", "clusterroles", "update", "worktide"],
    ] as const;
    for (const [namespace, group, resource, verb, name] of refused) {
      assert.ok(!(await may(namespace, group, resource, verb, name)), `${verb} ${resource} ${name ?? ""}`);
    }
  });

  it("the owner of a namespace lets it read the Secrets there, by the line of the docs", async () => {
    const binding = ["create", "rolebinding", "worktide-secrets", "--clusterrole=worktide-secrets"];
    await plane.kubectl(["-n", "shop", ...binding, "--serviceaccount=worktide-system:worktide"]);
    const can = ["auth", "can-i", "get", "secret/redis", "--as=system:serviceaccount:worktide-system:worktide"];
    const answer = async (namespace: string) =>
      (await plane.kubectl([...can, "-n", namespace]).catch((error: { stdout: string }) => error.stdout)).trim();
    await waitFor("the binding to be in force", async () => (await answer("shop")) === "yes");
    assert.equal(await answer("mail"), "no");
    await plane.kubectl(["-n", "shop", "delete", "rolebinding", "worktide-secrets"]);
  });

  it("people with the role edit write ScaledWorkers, those with view read them", async () => {
    const can = async (role: string, verb: string) => {
      await plane.kubectl(["-n", "shop", "create", "rolebinding", `${role}-ann`, `--clusterrole=${role}`, "--user=ann"]);
      const args = ["auth", "can-i", verb, "scaledworkers.worktide.dev", "-n", "shop", "--as=ann"];
      // Roles are put together by the controller manager, which may need a moment.
      const answer = async () => (await plane.kubectl(args).catch((error: { stdout: string }) => error.stdout)).trim();
      await waitFor(`${role} to ${verb}`, async () => (await answer()) === "yes");
      return async () => void (await plane.kubectl(["-n", "shop", "delete", "rolebinding", `${role}-ann`]));
    };
    await (await can("view", "list"))();
    const refused = ["auth", "can-i", "create", "scaledworkers.worktide.dev", "-n", "shop", "--as=ann"];
    assert.equal((await plane.kubectl(refused).catch((error: { stdout: string }) => error.stdout)).trim(), "no");
    await (await can("edit", "create"))();
  });

  it("uninstalling leaves nothing behind, ScaledWorkers or not", async () => {
    const list = async (): Promise<readonly string[]> => {
      const kinds = (await plane.kubectl(["api-resources", "--verbs=list", "-o", "name"])).trim().split("\n");
      const listed = kinds.filter((kind) => !/^(events|leases)\b|^componentstatuses/.test(kind)).join(",");
      const json = await plane.kubectl(["get", listed, "-A", "-o", "json"]);
      return (JSON.parse(json) as { items: readonly Made[] }).items
        .filter(({ metadata }) => !metadata.namespace?.startsWith("kube-"))
        .map(keyOf);
    };
    /** A kind that has just gone, or just come, may be named already or still where it cannot be listed. */
    const everything = async (): Promise<readonly string[]> => {
      let listed: readonly string[] | undefined;
      const isListed = async () => {
        listed = await list().catch(() => undefined);
        return listed !== undefined;
      };
      await waitFor("all kinds that there are to be listed", isListed);
      return listed ?? [];
    };
    const install = text((await printed("--replicas", "2", "--secrets", "all", "--no-webhook")).values());
    await plane.kubectl(["delete", "--ignore-not-found", `--timeout=${definitionS}s`, "-f", "-"], install);
    await plane.kubectl(["delete", "--ignore-not-found", "validatingwebhookconfiguration", "worktide"]);
    const before = new Set(await everything());
    await plane.kubectl(["apply", "--server-side", "-f", "-"], install);
    await established(plane);
    await plane.kubectl(["apply", "-f", "-"], stringify(worker));
    assert.ok((await everything()).includes("ScaledWorker default/mails"));
    await plane.kubectl(["delete", "-f", "-", `--timeout=${definitionS}s`], install);
    const left = async () => (await everything()).filter((key) => !before.has(key));
    await waitFor("all of it to be gone", async () => (await left()).length === 0).catch(async (cause: unknown) => {
      assert.fail(`left: ${(await left()).join(", ")} (${cause})`);
    });
  });
});
