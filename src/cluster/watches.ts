import type { Api } from "../api/define.ts";
import { type ParsedObject, parseObject } from "../api/object.ts";
import type { QueueConnectionStatus, ScaledWorkerStatus } from "../api/status.ts";
import { type Kind, type Kube, type KubeObject, keyOf } from "../kube/kube.ts";
import type { StatusWriter } from "../kube/status.ts";
import { type WatchList, watchList } from "../kube/watch-list.ts";
import { autoscalerKind, slimAutoscaler } from "./autoscalers.ts";
import type { Stored, Watches } from "./declared.ts";
import { clusterConnectionKind, connectionKind, scaledWorkerKind } from "./kinds.ts";

type Declared<Status> = KubeObject & Readonly<{ status?: Status }>;

export type WatchesOptions = Readonly<{
  kube: Kube;
  api: Api;
  /** Absent: all of them. */
  namespaces?: readonly string[] | undefined;
  /** Of a status: what tells whether another one says something else. */
  fingerprint: (kind: Kind, status: object | undefined) => string;
  onProblem: (error: unknown) => void;
}>;

/** Watches all that is declared. With `namespaces`, what belongs to the whole cluster is left out: a Role does not reach it. */
export function watchDeclared({ kube, api, namespaces, fingerprint, onProblem }: WatchesOptions): Watches {
  const where = namespaces === undefined ? {} : { namespaces };
  const follow = <Status extends object>(kind: Kind): WatchList<Stored<Status>> => {
    const { parse, forget } = createParser(api, kind);
    const slim = (object: Declared<Status>) => ({
      createdAt: object.metadata.creationTimestamp ?? "",
      parsed: parse(object),
      status: object.status ?? ({} as Status),
      observed: { resourceVersion: object.metadata.resourceVersion, fingerprint: fingerprint(kind, object.status) },
    });
    const list = watchList(kube, { kind, ...(kind.namespaced ? where : {}) }, slim, { onProblem });
    list.onChange((key, now) => now === undefined && forget(key));
    return list;
  };
  return {
    workers: follow<ScaledWorkerStatus>(scaledWorkerKind),
    connections: follow<QueueConnectionStatus>(connectionKind),
    autoscalers: watchList(kube, { kind: autoscalerKind, ...where }, slimAutoscaler, { onProblem }),
    ...(namespaces === undefined && { clusterConnections: follow<QueueConnectionStatus>(clusterConnectionKind) }),
  };
}

/** Nothing is kept to be written of what has gone, nor of what is there as it was to be. */
export function forgetShown(
  list: Pick<WatchList<Stored<object>>, "onChange">,
  writer: Pick<StatusWriter, "forget" | "seen">,
): void {
  list.onChange((_, now, was) => {
    if (was !== undefined && was.parsed.uid !== now?.parsed.uid) writer.forget(was.parsed.uid);
    if (now !== undefined) writer.seen(now.parsed.uid);
  });
}

/** Parses what is new only: a status that we wrote comes back with a spec that is known. */
function createParser(api: Api, { apiVersion, kind }: Kind) {
  const known = new Map<string, Readonly<{ mark: string; parsed: ParsedObject }>>();
  return {
    parse(object: KubeObject): ParsedObject {
      const { uid, generation, annotations, deletionTimestamp, finalizers } = object.metadata;
      const mark = JSON.stringify([uid, generation, annotations, deletionTimestamp, finalizers]);
      const key = keyOf(object.metadata);
      const before = known.get(key);
      if (before?.mark === mark) return before.parsed;
      // Those of a list leave their kind out.
      const parsed = parseObject({ ...object, apiVersion, kind }, api);
      known.set(key, { mark, parsed });
      return parsed;
    },
    forget: (key: string) => void known.delete(key),
  };
}
