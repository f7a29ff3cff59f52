import type { ApiLine, Line } from "../../../support/checker/lines.ts";
import type { AuditEvent } from "../../../support/cluster/audit.ts";

type Written = Readonly<{
  metadata?: Readonly<{ resourceVersion?: string }>;
  spec?: Readonly<{ replicas?: number; holderIdentity?: string; leaseTransitions?: number }>;
  status?: unknown;
}>;

type PatchStep = Readonly<{ op: string; path: string; value?: unknown }>;

/** The API server's record as lines of a history, on the clock of the test. `by` is an account's name within the namespace. */
export function apiLines(events: readonly AuditEvent[], now: number): readonly ApiLine[] {
  const offset = now - (performance.timeOrigin + performance.now());
  const at = (time: string) => offset + Date.parse(`${time.slice(0, 19)}Z`) + Number(`0.${time.slice(20, -1)}`) * 1000;
  return events.flatMap((event) => {
    const what = whatOf(event);
    const { verb, user, objectRef, responseStatus, requestReceivedTimestamp, stageTimestamp } = event;
    if (what === undefined || objectRef?.name === undefined) return [];
    const asked = (Array.isArray(event.requestObject) ? {} : (event.requestObject ?? {})) as Written;
    const done = (event.responseObject ?? {}) as Written;
    const steps = Array.isArray(event.requestObject) ? (event.requestObject as readonly PatchStep[]) : [];
    const atSize = steps.find(({ op, path }) => op === "test" && path === "/spec/replicas")?.value;
    const { resourceVersion: before } = asked.metadata ?? {};
    const { resourceVersion: version } = done.metadata ?? {};
    return [
      {
        ...{ kind: "api", t: at(stageTimestamp), receivedAt: at(requestReceivedTimestamp), verb, what },
        ...{
          by: user.username.replace(/^system:serviceaccount:[^:]+:/, ""),
          name: objectRef.name,
          code: responseStatus?.code ?? 0,
        },
        ...(before !== undefined && { before }),
        ...(version !== undefined && { version }),
        ...(typeof atSize === "number" && { atSize }),
        ...(what === "scale" && verb !== "get" && { replicas: done.spec?.replicas ?? 0 }),
        ...(what === "lease" && { holder: done.spec?.holderIdentity ?? "", term: done.spec?.leaseTransitions ?? 0 }),
        ...(what === "status" && { meaning: meaningOf(done.status) }),
      } satisfies ApiLine,
    ];
  });
}

function whatOf({ objectRef, verb }: AuditEvent): ApiLine["what"] | undefined {
  if (objectRef?.subresource === "scale") return "scale";
  if (objectRef?.resource === "leases") return "lease";
  if (objectRef?.subresource === "status") return "status";
  if (objectRef?.resource === "pods" && verb === "delete") return "pod";
  return objectRef?.resource === "jobs" ? "job" : undefined;
}

/** All of a status but its times. */
const meaningOf = (status: unknown): string =>
  JSON.stringify(status, (key, value: unknown) => (/Time$|At$|^since$/.test(key) ? undefined : value));

/** Pods that went by our doing: deleted by us, or by the controller of a size that we had written. */
export function toldToStop(lines: readonly ApiLine[], ours: ReadonlySet<string>): readonly Line[] {
  const told = new Set<string>();
  return lines.flatMap((line): Line[] => {
    const isOurs = ours.has(line.by) || /^system:serviceaccount|^(replicaset|statefulset|job)-controller$/.test(line.by);
    if (line.what !== "pod" || line.code >= 300 || !isOurs || told.has(line.name)) return [];
    told.add(line.name);
    const { t, name: id } = line;
    return [{ kind: "member", t, at: "", run: 0, worker: "", id, event: "signalled", detail: `by ${line.by}` }];
  });
}
