import { appName, type InstallOptions, labelsOf, type Manifest } from "./manifest.ts";

/**
 * Has the API server ask before a document of ours is stored. It asks for what schema and CEL cannot say, so an answer that
 * does not come lets the document pass: the controller finds the same and tells it as a condition.
 * The certificate comes from the controller, which fills `caBundle` in.
 */
export function webhookConfiguration(options: InstallOptions): Manifest {
  const { namespace } = options;
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: appName, labels: labelsOf(options) },
    webhooks: [
      {
        name: "check.worktide.dev",
        admissionReviewVersions: ["v1"],
        clientConfig: { service: { name: appName, namespace, path: "/admit", port: 443 } },
        rules: [
          {
            apiGroups: ["worktide.dev"],
            apiVersions: ["v1alpha1"],
            operations: ["CREATE", "UPDATE"],
            resources: ["scaledworkers", "queueconnections", "clusterqueueconnections"],
            scope: "*",
          },
        ],
        failurePolicy: "Ignore",
        matchPolicy: "Equivalent",
        sideEffects: "None",
        timeoutSeconds: 5,
      },
    ],
  };
}

/**
 * Where the controller keeps the certificate that all replicas share: empty at first. It is made here, since a right to
 * create Secrets cannot be limited to one name.
 */
export function webhookSecret(options: InstallOptions): Manifest {
  const metadata = { name: `${appName}-webhook`, namespace: options.namespace, labels: labelsOf(options) };
  return { apiVersion: "v1", kind: "Secret", metadata, type: "Opaque" };
}
