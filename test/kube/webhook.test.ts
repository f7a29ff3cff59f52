import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Agent, request } from "undici";
import { answerReview } from "../../src/api/admission.ts";
import type { ClusterView } from "../../src/api/cluster-findings.ts";
import { crdPages } from "../../src/api/crd.ts";
import { openAdmissionServer } from "../../src/kube/admission-server.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { ownCertificate } from "../../src/kube/webhook-certificate.ts";
import { freePort } from "../../src/services/free-port.ts";
import { badObjects } from "../api/bad-objects.ts";
import { api, type Draft, worker } from "../api/objects.ts";
import { established } from "../support/cluster/established.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { createUser, namespace, sharedControlPlane } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { clientOf } from "./support.ts";

const skip = await noControlPlane();
const dayMs = 86_400_000;

const unknown = () => undefined;
const view: ClusterView = {
  connection: () => null,
  workersOn: (_, { name }) => (name === "taken" ? ["other"] : []),
  autoscalersOn: unknown,
  scalable: unknown,
  exists: unknown,
};

describe("the webhook on a real API server", { skip }, () => {
  let plane: Awaited<ReturnType<typeof sharedControlPlane>>;
  let shop: Awaited<ReturnType<typeof namespace>>;
  let user: Awaited<ReturnType<typeof createUser>>;
  let kube: KubeClient;
  let agent: Agent;
  /** The wall clock of who makes certificates, days ahead. */
  let days = 0;
  const signal = new AbortController().signal;
  const configuration = () => `worktide-${shop.name}`;
  const webhook = () => `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${configuration()}`;

  before(async () => {
    plane = await sharedControlPlane();
    shop = await namespace(plane);
    const definitions = crdPages(api).map(({ text }) => text);
    await plane.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], definitions.join("---\n"));
    await established(plane);
    const rules = [
      { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
      { apiGroups: [""], resources: ["secrets"], resourceNames: ["worktide-webhook"], verbs: ["get", "update"] },
      {
        apiGroups: ["admissionregistration.k8s.io"],
        resources: ["validatingwebhookconfigurations"],
        resourceNames: [configuration()],
        verbs: ["get", "patch"],
      },
    ];
    user = await createUser(plane, { namespace: shop.name, name: "controller", rules, clusterWide: true });
    kube = await clientOf(user.kubeconfig);
    agent = new Agent({ connect: { ca: plane.ca } });
  });
  after(async () => {
    await plane?.request("DELETE", webhook()).catch(() => {});
    await agent?.destroy();
    for (const each of [kube, user, shop, plane]) await each?.[Symbol.asyncDispose]();
  });

  const source = () =>
    ownCertificate({
      kube,
      secret: { namespace: shop.name, name: "worktide-webhook" },
      configuration: configuration(),
      dnsNames: ["localhost"],
      wallClock: () => Date.now() + days * dayMs,
    });

  const serve = (port = 0) =>
    openAdmissionServer({
      listen: { host: "127.0.0.1", port },
      certificate: source(),
      answer: (review) => answerReview(review, api, view),
      failed: (doing, cause) => assert.fail(`${doing}: ${cause}`),
      renewMs: 200,
      signal,
    });

  const configure = (port: number) =>
    plane.request("POST", webhook().replace(/\/[^/]*$/, ""), {
      metadata: { name: configuration() },
      webhooks: [
        {
          name: "check.worktide.dev",
          admissionReviewVersions: ["v1"],
          clientConfig: { url: `https://localhost:${port}/admit` },
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": shop.name } },
          rules: [{ apiGroups: ["worktide.dev"], apiVersions: ["v1alpha1"], operations: ["CREATE", "UPDATE"], resources: ["*"] }],
          failurePolicy: "Ignore",
          sideEffects: "None",
          timeoutSeconds: 5,
        },
      ],
    });

  /** What the API server says to a new object: its status, its message, its warnings. */
  async function create(object: Draft) {
    const plural = `${object.kind.toLowerCase()}s`;
    const url = `${plane.url}/apis/worktide.dev/v1alpha1/namespaces/${shop.name}/${plural}?dryRun=All&fieldValidation=Strict`;
    const headers = { authorization: `Bearer ${plane.token}`, "content-type": "application/json" };
    const answer = await request(url, { method: "POST", headers, body: JSON.stringify(object), dispatcher: agent });
    const { message } = (await answer.body.json()) as { message?: string };
    return { status: answer.statusCode, message: message ?? "", warnings: String(answer.headers["warning"] ?? "") };
  }

  const blind = badObjects.find(({ rule }) => rule === "blind-protect")?.object;

  it("refuses what schema and expressions let pass, warns, survives a new certificate, and stops nobody when it is away", async () => {
    const port = await freePort(); // told to the API server before anything listens there
    await configure(port);
    days = -300;
    const server = await serve(port);
    try {
      await waitFor("the webhook is asked", async () => (await create(blind)).status === 422);
      for (const { rule, title, object } of badObjects.filter(({ refusal }) => refusal === undefined)) {
        const { status, message } = await create(object);
        assert.equal(status, 422, title);
        assert.match(message, /^admission webhook "check.worktide.dev" denied the request: /, rule);
      }
      const taken = worker();
      taken.spec.target.name = "taken";
      assert.match(
        (await create(taken)).message,
        /must not be the target of another ScaledWorker: 'other' scales Deployment 'taken' too$/,
      );
      const fine = await create(worker());
      assert.equal(fine.status, 201, fine.message);
      assert.match(fine.warnings, /`spec.triggers\[0\].connection` must name a QueueConnection in namespace/);

      const before = await bundle();
      assert.equal(before.length, 1);
      days = 0; // now less than a third of its life is left
      await waitFor("both authorities are trusted", async () => (await bundle()).length === 2);
      assert.equal((await bundle())[1], before[0]);
      await waitFor("the new certificate is trusted", async () => (await create(blind)).status === 422);
    } finally {
      await server[Symbol.asyncDispose]();
    }
    assert.equal((await create(blind)).status, 201);
  });

  it("has one certificate for all replicas, however many begin at once", async () => {
    await plane.request("DELETE", `/api/v1/namespaces/${shop.name}/secrets/worktide-webhook`);
    const certificates = await Promise.all([1, 2, 3].map(() => source()(signal)));
    assert.equal(new Set(certificates.map(({ cert }) => cert)).size, 1);
  });

  it("makes a new one where the Secret holds none that is whole", async () => {
    const path = `/api/v1/namespaces/${shop.name}/secrets/worktide-webhook`;
    const { cert } = await source()(signal);
    assert.equal((await source()(signal)).cert, cert);
    await plane.request("PATCH", path, { data: { "tls.key": Buffer.from("broken").toString("base64") } });
    const next = await source()(signal);
    assert.notEqual(next.cert, cert);
    const own = new X509Certificate(next.cert);
    assert.ok((await bundle()).some((ca) => own.verify(new X509Certificate(ca).publicKey)));
  });

  /** The authorities that the API server trusts. */
  async function bundle(): Promise<readonly string[]> {
    const { webhooks } = await plane.request<Draft>("GET", webhook());
    const text = Buffer.from(webhooks[0].clientConfig.caBundle ?? "", "base64").toString();
    return text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  }
});
