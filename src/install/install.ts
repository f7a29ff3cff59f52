import { ownAccess, servedAccess, serviceAccount, webhookAccess } from "./access.ts";
import type { InstallOptions, Manifest } from "./manifest.ts";
import { webhookConfiguration, webhookSecret } from "./webhook.ts";
import { deployment, disruptionBudget, namespaceOf, networkPolicy, service } from "./workload.ts";

/** Every object of an install but the custom resource definitions, in an order in which each finds what it needs. */
export function install(options: InstallOptions): readonly Manifest[] {
  return [
    namespaceOf(options),
    serviceAccount(options),
    ...ownAccess(options),
    ...servedAccess(options),
    service(options),
    deployment(options),
    networkPolicy(options),
    ...(options.replicas > 1 ? [disruptionBudget(options)] : []),
    ...(options.webhook ? [...webhookAccess(options), webhookSecret(options), webhookConfiguration(options)] : []),
  ];
}
