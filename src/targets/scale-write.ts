import { type Fence, isKubeError, type Kube, KubeError, type Lane, type ObjectRef, type Scale } from "../kube/kube.ts";
import { podKind } from "./watches.ts";

/** A size that is in the API server, and where it stands in its history. */
export type Written = Readonly<{ replicas: number; resourceVersion: string }>;

/** What came of a write: ours is in force, or that of somebody else. */
export type Outcome = Readonly<{ written: Written } | { other: Written }>;

export type ScaleWriter = Readonly<{
  /** From the store itself. @throws KubeError; another uid is a `NotFound`. */
  read(uid: string, lane: Lane): Promise<Written>;
  /** Writes `/scale`, at `present` and nowhere else: where the size has changed meanwhile, nothing is written. */
  put(uid: string, present: Written, to: number, options: WriteSizeOptions): Promise<Outcome>;
  /** The same at this size, whatever else of the object has changed meanwhile: its status moves with each pod that goes. */
  patch(uid: string, present: Written, to: number, options: WriteSizeOptions): Promise<Outcome>;
  /** Deletes just this pod, in just this state; false when it is not so any more. */
  removePod(pod: Readonly<{ name: string; uid: string; resourceVersion: string }>): Promise<boolean>;
}>;

export type WriteSizeOptions = Readonly<{
  lane: Lane;
  tries: number;
  /** Asked before each try; false leaves it. */
  still?: () => boolean;
}>;

/**
 * Each write carries the resource version that was decided on, and is fenced; after an unknown outcome it is read first.
 * `begins` is told of each size right before it is sent: a watch may show it before the answer comes.
 */
export function createScaleWriter(
  kube: Kube,
  ref: ObjectRef,
  fence: Fence | undefined,
  begins: (to: number) => void,
): ScaleWriter {
  const fenced = fence === undefined ? {} : { fence };

  const read = async (uid: string, lane: Lane): Promise<Written> => writtenOf(await kube.getScale(ref, { lane }), uid, ref);

  /** Sends until it is taken, refused for good, or out of date; `send` answers with the version that it made. */
  const write =
    (send: (uid: string, at: Written, to: number, lane: Lane) => Promise<Scale>): ScaleWriter["put"] =>
    async (uid, present, to, { lane, tries, still = () => true }) => {
      let at = present;
      let failure: KubeError | undefined;
      for (let left = tries; left > 0 && still(); left--) {
        begins(to);
        try {
          const scale = await send(uid, at, to, lane);
          return { written: { replicas: to, resourceVersion: scale.metadata.resourceVersion } };
        } catch (cause) {
          if (cause instanceof KubeError && cause.outcome === "unknown") failure = cause;
          else if (!isKubeError(cause, "Conflict", "Invalid")) throw cause;
          const now = await read(uid, lane);
          if (failure !== undefined && now.replicas === to && now.resourceVersion !== at.resourceVersion) return { written: now };
          if (now.replicas !== present.replicas) return { other: now };
          if (isKubeError(cause, "Invalid")) throw cause; // for another reason than its size
          at = now; // its status has moved, which changes nothing that was decided on
        }
      }
      // Whoever answers so every time (a webhook that is down) will not take it now.
      if (failure !== undefined) throw failure;
      return { other: at };
    };

  return {
    read,
    put: write((_uid, { resourceVersion }, replicas, lane) =>
      kube.putScale(ref, { replicas, resourceVersion }, { lane, ...fenced }),
    ),
    patch: write((uid, { replicas }, to, lane) => {
      const body = [
        { op: "test", path: "/metadata/uid", value: uid },
        { op: "test", path: "/spec/replicas", value: replicas },
        { op: "replace", path: "/spec/replicas", value: to },
      ] as const;
      return kube.patch<Scale>(ref, { type: "json", body }, { subresource: "scale", lane, ...fenced });
    }),
    async removePod({ name, uid, resourceVersion }) {
      const pod: ObjectRef = { kind: podKind, ...(ref.namespace !== undefined && { namespace: ref.namespace }), name };
      try {
        await kube.remove(pod, { lane: "lower", uid, resourceVersion, ...fenced });
        return true;
      } catch (cause) {
        if (isKubeError(cause, "Conflict", "NotFound")) return false;
        if (!(cause instanceof KubeError) || cause.outcome !== "unknown") throw cause;
        return isGone(kube, pod, uid);
      }
    },
  };
}

async function isGone(kube: Kube, pod: ObjectRef, uid: string): Promise<boolean> {
  try {
    const { metadata } = await kube.get(pod, { lane: "lower" });
    return metadata.uid !== uid || metadata.deletionTimestamp !== undefined;
  } catch (cause) {
    if (isKubeError(cause, "NotFound")) return true;
    throw cause;
  }
}

function writtenOf({ metadata, spec }: Scale, uid: string, { kind, name }: ObjectRef): Written {
  if (metadata.uid !== uid) {
    const message = `${kind.kind} ${name} is another one now`;
    throw new KubeError({ status: 404, reason: "NotFound", message, outcome: "refused" });
  }
  return { replicas: spec.replicas ?? 0, resourceVersion: metadata.resourceVersion };
}
