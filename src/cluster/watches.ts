import type { Api } from "../api/define.ts";
import { type ParsedObject, parseObject } from "../api/object.ts";
import type { ScaledWorkerStatus } from "../api/status.ts";
import { type Kind, type Kube, type KubeObject, keyOf } from "../kube/kube.ts";
import { watchList } from "../kube/watch-list.ts";
import type { Watches } from "./declared.ts";
import { clusterConnectionKind, connectionKind, scaledWorkerKind } from "./kinds.ts";

type Declared = KubeObject & Readonly<{ status?: ScaledWorkerStatus }>;

export type WatchesOptions = Readonly<{
  kube: Kube;
  api: Api;
  /** Absent: all of them. */
  namespaces?: readonly string[] | undefined;
  /** Of a status: what tells whether another one says something else. */
  fingerprint: (status: object | undefined) => string;
  onProblem: (error: unknown) => void;
}>;

/** Watches all that is declared. With `namespaces`, what belongs to the whole cluster is left out: a Role does not reach it. */
export function watchDeclared({ kube, api, namespaces, fingerprint, onProblem }: WatchesOptions): Watches {
  const where = namespaces === undefined ? {} : { namespaces };
  const follow = <Slim>(kind: Kind, everywhere: boolean, slim: (parsed: ParsedObject, object: Declared) => Slim) => {
    const { parse, forget } = createParser(api, kind);
    const list = watchList(kube, { kind, ...(everywhere ? {} : where) }, (object: Declared) => slim(parse(object), object), {
      onProblem,
    });
    list.onChange((key, now) => now === undefined && forget(key));
    return list;
  };
  return {
    workers: follow(scaledWorkerKind, false, (parsed, { status, metadata: { resourceVersion, creationTimestamp = "" } }) => ({
      parsed,
      createdAt: creationTimestamp,
      status: status ?? {},
      observed: { resourceVersion, fingerprint: fingerprint(status) },
    })),
    connections: follow(connectionKind, false, (parsed) => parsed),
    ...(namespaces === undefined && { clusterConnections: follow(clusterConnectionKind, true, (parsed) => parsed) }),
  };
}

/** Parses what is new only: a status that we wrote comes back with a spec that is known. */
function createParser(api: Api, { apiVersion, kind }: Kind) {
  const known = new Map<string, Readonly<{ mark: string; parsed: ParsedObject }>>();
  return {
    parse(object: Declared): ParsedObject {
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
