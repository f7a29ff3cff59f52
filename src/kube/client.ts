import { type Access, openLogin } from "./access.ts";
import { type Caller, type CallRecord, createCaller, type Deed } from "./caller.ts";
import { createDiscovery } from "./discovery.ts";
import type { Draft, Kind, Kube, ObjectRef, OwnerReference, Page, Patch, Scale, WriteOptions } from "./kube.ts";
import { createLinks } from "./links.ts";
import { collectionPath, objectPath, queryOf, titleOf, titleOfAll } from "./paths.ts";
import { createTurns } from "./turns.ts";
import { createWatches } from "./watch-stream.ts";

export type ClientOptions = Readonly<{
  access: Access;
  /** `worktide/0.1.0`: how the API server's audit log names us. */
  userAgent: string;
  /** Monotonic ms. */
  clock?: () => number;
  onCall?: (record: CallRecord) => void;
  /** Told of what does not fail a call: credentials that cannot be read again, for one. */
  onProblem?: (error: unknown) => void;
}>;

export type KubeClient = Kube &
  AsyncDisposable &
  Readonly<{
    /** The account that we are, as the owner of what is made in its own namespace: with it that goes. */
    ownerIn(namespace: string): OwnerReference | undefined;
  }>;

const pageSize = 500;

/** Reads the credentials and connects with the first call. Rejects with an Error when there are no credentials. */
export async function createClient(options: ClientOptions): Promise<KubeClient> {
  const { clock = () => performance.now(), onProblem = () => {}, onCall = () => {}, userAgent } = options;
  const links = createLinks({ login: openLogin(options.access), userAgent, clock, onProblem });
  await links.ready();
  const caller = createCaller({ links, turns: createTurns(clock), clock, onCall });
  return {
    get namespace() {
      return links.namespace() ?? "default";
    },
    ownerIn: links.ownerIn,
    ...reads(caller),
    ...writes(caller),
    ...scales(caller),
    watch: createWatches(links, clock, onCall),
    discover: createDiscovery(caller, clock),
    [Symbol.asyncDispose]: () => links[Symbol.asyncDispose](),
  };
}

function reads({ call }: Caller): Pick<Kube, "get" | "list"> {
  return {
    get: async (ref, { subresource, ...options } = {}) =>
      call({
        ...options,
        ...deed("get", ref.kind, subresource),
        method: "GET",
        path: objectPath(ref, subresource),
        doing: `reading ${titleOf(ref)}`,
      }),
    async list<T>(
      selection: Parameters<Kube["list"]>[0],
      { limit = pageSize, next, ...options }: Parameters<Kube["list"]>[1] = {},
    ) {
      const { kind, namespace, labelSelector, fieldSelector } = selection;
      const path = `${collectionPath(kind, namespace)}${queryOf({ limit, continue: next, labelSelector, fieldSelector })}`;
      const doing = `listing ${titleOfAll(selection)}`;
      const list = await call<List<T>>({ ...options, ...deed("list", kind), method: "GET", path, doing });
      const { resourceVersion, continue: more } = list.metadata;
      return { items: list.items ?? [], resourceVersion, ...(more ? { next: more } : {}) } satisfies Page<T>;
    },
  };
}

const deed = (verb: Deed["verb"], { kind }: Kind, subresource?: string): Deed => ({
  verb,
  kind: subresource === undefined ? kind : `${kind}/${subresource}`,
});

/** A Go server writes an empty list as null. */
type List<T> = Readonly<{ metadata: Readonly<{ resourceVersion: string; continue?: string }>; items: readonly T[] | null }>;

const patchTypes = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  apply: "application/apply-patch+yaml", // JSON is YAML
} as const satisfies Readonly<Record<Patch["type"], string>>;

/** Splits what goes into the query from what the caller of the API server needs. */
function split({ subresource, dryRun, fieldManager = "worktide", ...call }: WriteOptions) {
  return { call, subresource, query: { fieldManager, dryRun: dryRun ? "All" : undefined } };
}

function writes({ call }: Caller): Pick<Kube, "create" | "update" | "patch" | "remove"> {
  return {
    async create(kind, object: Draft, options = {}) {
      const { call: how, query } = split(options);
      const { name = "", generateName, namespace } = object.metadata;
      const title = titleOf({ kind, name: name || `${generateName}…`, ...(namespace === undefined ? {} : { namespace }) });
      // A typo in a template that a user wrote is an error here, as it is for kubectl.
      const path = `${collectionPath(kind, namespace)}${queryOf({ ...query, fieldValidation: "Strict" })}`;
      const doing = `creating ${title}`;
      return call({ ...how, ...deed("create", kind), method: "POST", path, body: typed(kind, object), doing });
    },
    async update(ref, object, options = {}) {
      const { call: how, query, subresource } = split(options);
      const path = `${objectPath(ref, subresource)}${queryOf(query)}`;
      const what = deed("update", ref.kind, subresource);
      return call({ ...how, ...what, method: "PUT", path, body: typed(ref.kind, object), doing: `updating ${titleOf(ref)}` });
    },
    async patch(ref, patch, options = {}) {
      const { call: how, query, subresource } = split(options);
      const force = patch.type === "apply" && patch.force ? true : undefined;
      const path = `${objectPath(ref, subresource)}${queryOf({ ...query, force })}`;
      const what = { ...deed("patch", ref.kind, subresource), doing: `patching ${titleOf(ref)}` };
      return call({ ...how, ...what, method: "PATCH", path, body: patch.body, contentType: patchTypes[patch.type] });
    },
    async remove(ref, { uid, resourceVersion, propagation = "Background", graceSeconds, ...options } = {}) {
      const { call: how, query } = split(options);
      const body = {
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy: propagation,
        gracePeriodSeconds: graceSeconds,
        preconditions: { uid, resourceVersion },
      };
      const path = `${objectPath(ref)}${queryOf({ dryRun: query.dryRun })}`;
      await call({ ...how, ...deed("delete", ref.kind), method: "DELETE", path, body, doing: `deleting ${titleOf(ref)}` });
    },
  };
}

const typed = ({ apiVersion, kind }: ObjectRef["kind"], object: Draft) => ({ ...object, apiVersion, kind });

function scales({ call }: Caller): Pick<Kube, "getScale" | "putScale"> {
  return {
    getScale: async (ref, options = {}) =>
      call({
        ...options,
        ...deed("get", ref.kind, "scale"),
        method: "GET",
        path: objectPath(ref, "scale"),
        doing: `reading the scale of ${titleOf(ref)}`,
      }),
    async putScale(ref, { replicas, resourceVersion }, options = {}) {
      const { call: how, query } = split(options);
      const { name, namespace } = ref;
      const body = {
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        metadata: { name, namespace, resourceVersion },
        spec: { replicas },
      };
      const path = `${objectPath(ref, "scale")}${queryOf(query)}`;
      const what = { ...deed("update", ref.kind, "scale"), doing: `scaling ${titleOf(ref)} to ${replicas}` };
      return call<Scale>({ ...how, ...what, method: "PUT", path, body });
    },
  };
}
