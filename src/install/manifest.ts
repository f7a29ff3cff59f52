/** An object as it is sent to the API server. */
export type Manifest = Readonly<{
  apiVersion: string;
  kind: string;
  metadata: Readonly<{
    name: string;
    namespace?: string;
    labels?: Readonly<Record<string, string>>;
    annotations?: Readonly<Record<string, string>>;
  }>;
  [field: string]: unknown;
}>;

export type Scope = "cluster" | "namespaced";

/** Which Secrets and ConfigMaps may be read: none at first (a namespace grants it by a RoleBinding), all, or those named. */
export type SecretAccess = "none" | "all" | readonly string[];

export type InstallOptions = Readonly<{
  /** Where the controller itself lives. */
  namespace: string;
  scope: Scope;
  /** Namespaces whose ScaledWorkers are served, with scope `namespaced`. */
  namespaces: readonly string[];
  image: string;
  replicas: number;
  secrets: SecretAccess;
  /** Ask the controller before ScaledWorkers and connections are stored. Needs scope `cluster`. */
  webhook: boolean;
  version: string;
}>;

/** What every object is called, and what it is found by. */
export const appName = "worktide";
export const selectorLabels = { "app.kubernetes.io/name": appName, "app.kubernetes.io/instance": appName } as const;

export const labelsOf = ({ version }: Pick<InstallOptions, "version">): Readonly<Record<string, string>> => ({
  ...selectorLabels,
  "app.kubernetes.io/version": version,
  "app.kubernetes.io/component": "controller",
  "app.kubernetes.io/part-of": appName,
  "app.kubernetes.io/managed-by": "kubectl",
});

export const serviceAccountOf = ({ namespace }: Pick<InstallOptions, "namespace">) =>
  ({ kind: "ServiceAccount", name: appName, namespace }) as const;
