/** An object as the fake API server keeps it. */
export type Stored = {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion: string;
    generation: number;
    labels?: Record<string, string>;
  };
  [field: string]: unknown;
};

export type StoredEvent = Readonly<{
  type: "ADDED" | "MODIFIED" | "DELETED";
  collection: string;
  object: Stored;
  version: number;
}>;

/** What a request may be refused with. */
export class Refusal extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** Objects by path, one counter of versions, and every change in order: what etcd is to a real one. */
export function createStore() {
  const objects = new Map<string, Stored>();
  const history: StoredEvent[] = [];
  const listeners = new Set<(event: StoredEvent) => void>();
  let version = 1000;
  let oldest = 1000;

  const collectionOf = (path: string) => path.slice(0, path.lastIndexOf("/"));

  function record(type: StoredEvent["type"], path: string, object: Stored): Stored {
    version += 1;
    const next = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    if (type === "DELETED") objects.delete(path);
    else objects.set(path, next);
    const event: StoredEvent = { type, collection: collectionOf(path), object: next, version };
    history.push(event);
    for (const listener of [...listeners]) listener(event);
    return next;
  }

  function found(path: string): Stored {
    const object = objects.get(path);
    if (!object) throw new Refusal(404, "NotFound", `${path} not found`);
    return object;
  }

  return {
    version: () => version,
    found,
    create(path: string, draft: object): Stored {
      if (objects.has(path)) throw new Refusal(409, "AlreadyExists", `${path} already exists`);
      const { metadata, ...fields } = draft as Stored;
      const uid = crypto.randomUUID();
      return record("ADDED", path, { ...fields, metadata: { ...metadata, uid, generation: 1, resourceVersion: "" } });
    },
    replace(path: string, next: object): Stored {
      const before = found(path);
      const { metadata, ...fields } = next as Stored;
      if (metadata.resourceVersion && metadata.resourceVersion !== before.metadata.resourceVersion) {
        throw new Refusal(409, "Conflict", `${path} was changed`);
      }
      return record("MODIFIED", path, { ...fields, metadata: { ...before.metadata, ...metadata, uid: before.metadata.uid } });
    },
    merge(path: string, patch: object): Stored {
      return record("MODIFIED", path, merged(found(path), patch) as Stored);
    },
    /** JSON patch, as far as `test` and whole fields go. */
    edit(path: string, steps: readonly Readonly<{ op: string; path: string; value?: unknown }>[]): Stored {
      const next = structuredClone(found(path)) as Record<string, unknown>;
      for (const { op, path: at, value } of steps) {
        const names = at.split("/").slice(1);
        const last = names.pop() ?? "";
        const place = names.reduce((tree, name) => tree[name] as Record<string, unknown>, next);
        if (op === "test" && place[last] !== value) throw new Refusal(422, "Invalid", `testing path ${at} value failed`);
        if (op === "remove") delete place[last];
        else if (op !== "test") place[last] = value;
      }
      return record("MODIFIED", path, next as Stored);
    },
    remove(path: string): Stored {
      return record("DELETED", path, found(path));
    },
    /** Everything of a collection (of all namespaces where the path names none). */
    list: (collection: string) =>
      [...objects].filter(([path]) => isWithin(collection, collectionOf(path))).map(([, object]) => object),
    /** Events since a version; throws 410 when they are forgotten. */
    since(collection: string, from: number): readonly StoredEvent[] {
      if (from < oldest) throw new Refusal(410, "Expired", `too old resource version: ${from} (${oldest})`);
      return history.filter((event) => event.version > from && isWithin(collection, event.collection));
    },
    /** Forgets the past, as etcd does every five minutes. */
    compact() {
      oldest = version;
      history.length = 0;
    },
    onEvent(listener: (event: StoredEvent) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export type Store = ReturnType<typeof createStore>;

/** `/api/v1/pods` holds `/api/v1/namespaces/shop/pods`. */
export function isWithin(collection: string, place: string): boolean {
  return place === collection || place.replace(/\/namespaces\/[^/]+/, "") === collection;
}

/** JSON merge patch, RFC 7386. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isTree(patch)) return patch;
  const result: Record<string, unknown> = isTree(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
