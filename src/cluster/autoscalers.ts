import type { ScaleTarget } from "../api/resolve-target.ts";
import type { Kind, KubeObject } from "../kube/kube.ts";

/** The same for all that name one object: versions of one group name the same ones. */
export const targetId = (namespace: string, { apiVersion, kind, name }: ScaleTarget["ref"]): string =>
  [namespace, apiVersion.replace(/\/.*/, ""), kind, name].join("/");

/** What is used of a HorizontalPodAutoscaler: what it scales, as {@link targetId} has it. */
export type Autoscaler = Readonly<{ name: string; target: string }>;

export const autoscalerKind: Kind = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  plural: "horizontalpodautoscalers",
  namespaced: true,
};

type Declared = KubeObject &
  Readonly<{ spec: Readonly<{ scaleTargetRef: Readonly<{ apiVersion?: string; kind: string; name: string }> }> }>;

export function slimAutoscaler({ metadata, spec }: Declared): Autoscaler {
  const { apiVersion = "", kind, name } = spec.scaleTargetRef;
  return { name: metadata.name, target: targetId(metadata.namespace ?? "", { apiVersion, kind, name }) };
}
