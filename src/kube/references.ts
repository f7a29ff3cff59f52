import { isKubeError, type Kind, type Kube, type KubeObject } from "./kube.ts";
import { type WatchList, watchList } from "./watch-list.ts";

const secretKind: Kind = { apiVersion: "v1", kind: "Secret", plural: "secrets", namespaced: true };
const configMapKind: Kind = { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true };

/** Names one Secret or ConfigMap. */
export type Reference = Readonly<{ kind: "Secret" | "ConfigMap"; namespace: string; name: string }>;

type Data = Readonly<Record<string, string>>;
type DataObject = KubeObject & Readonly<{ data?: Data }>;

export type ReferencesOptions = Readonly<{
  kube: Kube;
  /** Told of every value of a Secret that is read: what must appear in no output. */
  keepSecret: (value: string) => void;
  onProblem?: (error: unknown) => void;
}>;

/** Values that others hold. Each object is watched by its name while somebody uses it, for which `resourceNames` in a Role are enough. */
export interface References extends AsyncDisposable {
  /** Calls back when its content changes, comes or goes. Returns how to stop; the last user's stop ends the watch. */
  use(reference: Reference, onChange: () => void): () => void;
  /**
   * One value as text; undefined where the object or the key is not there. From the watch where that is alive, else read
   * now; what was known before serves while the API server is away. Rejects with KubeError.
   */
  value(reference: Reference, key: string, signal: AbortSignal): Promise<string | undefined>;
}

type Watched = Readonly<{ list: WatchList<Data>; users: Set<() => void> }>;

export function createReferences({ kube, keepSecret, onProblem = () => {} }: ReferencesOptions): References {
  const watched = new Map<string, Watched>();
  const closing = new Set<Promise<void>>();
  const idOf = ({ kind, namespace, name }: Reference) => `${kind}/${namespace}/${name}`;
  const kindOf = ({ kind }: Reference) => (kind === "Secret" ? secretKind : configMapKind);

  function open(reference: Reference): Watched {
    const { namespace, name } = reference;
    const selection = { kind: kindOf(reference), namespaces: [namespace], fieldSelector: `metadata.name=${name}` };
    const users = new Set<() => void>();
    const list = watchList<DataObject, Data>(kube, selection, ({ data = {} }) => data, { onProblem });
    list.onChange((_, now, was) => {
      if (JSON.stringify(now) === JSON.stringify(was)) return;
      for (const onChange of [...users]) onChange();
    });
    return { list, users };
  }

  function close(id: string, one: Watched): void {
    watched.delete(id);
    const closed = Promise.resolve(one.list[Symbol.asyncDispose]());
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  }

  async function dataOf(reference: Reference, signal: AbortSignal): Promise<Data | undefined> {
    const { namespace, name } = reference;
    const list = watched.get(idOf(reference))?.list;
    const known = list?.isSynced() ? list.get(`${namespace}/${name}`) : undefined;
    if (list?.isSynced() && !list.problem()) return known;
    try {
      return (await kube.get<DataObject>({ kind: kindOf(reference), namespace, name }, { signal })).data ?? {};
    } catch (error) {
      if (isKubeError(error, "NotFound")) return undefined;
      if (known) return known;
      throw error;
    }
  }

  return {
    use(reference, onChange) {
      const id = idOf(reference);
      const one = watched.get(id) ?? open(reference);
      watched.set(id, one);
      const user = () => onChange(); // the same function may be given twice
      one.users.add(user);
      return () => {
        if (one.users.delete(user) && one.users.size === 0) close(id, one);
      };
    },
    async value(reference, key, signal) {
      const data = await dataOf(reference, signal);
      const raw = data !== undefined && Object.hasOwn(data, key) ? data[key] : undefined;
      if (raw === undefined || reference.kind === "ConfigMap") return raw;
      const secret = Buffer.from(raw, "base64").toString();
      keepSecret(secret);
      return secret;
    },
    async [Symbol.asyncDispose]() {
      for (const [id, one] of [...watched]) close(id, one);
      await Promise.all(closing);
    },
  };
}
