import { answerReview } from "../api/admission.ts";
import type { Api } from "../api/define.ts";
import type { ControllerConfig } from "../config.ts";
import { openAdmissionServer } from "../kube/admission-server.ts";
import type { Kube } from "../kube/kube.ts";
import { certificateFiles, ownCertificate } from "../kube/webhook-certificate.ts";
import type { Watches } from "./declared.ts";
import { clusterView } from "./view.ts";

export type WebhookHouse = Readonly<{
  listen: NonNullable<ControllerConfig["webhook"]>;
  /** Of this installation: so the Service and the ValidatingWebhookConfiguration are called, and the Secret of the certificate begins. */
  name: string;
  /** Folder with `tls.crt` and `tls.key`; without it the certificate is our own. */
  certDir: string | undefined;
  /** Without the fence: whichever replica comes first makes the certificate. */
  kube: Kube;
  api: Api;
  watches: Watches;
  failed: (doing: string, cause: unknown) => void;
}>;

/** Serves the admission webhook until it is disposed of: with the findings of `worktide check`, and of the cluster around. */
export function openWebhook({ listen, name, certDir, kube, api, watches, failed }: WebhookHouse): AsyncDisposable {
  const stop = new AbortController();
  const { namespace } = kube;
  const view = clusterView(kube, watches);
  const service = `${name}.${namespace}.svc`;
  const certificate =
    certDir === undefined
      ? ownCertificate({
          kube,
          secret: { namespace, name: `${name}-webhook` },
          configuration: name,
          dnsNames: [service, `${service}.cluster.local`],
          wallClock: Date.now,
        })
      : certificateFiles(certDir);
  const opening = openAdmissionServer({
    listen,
    certificate,
    answer: (review) => answerReview(review, api, view),
    failed,
    signal: stop.signal,
  }).catch((cause: unknown) => {
    if (!stop.signal.aborted) failed("serving the webhook", cause);
    return undefined;
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await (await opening)?.[Symbol.asyncDispose]();
    },
  };
}
