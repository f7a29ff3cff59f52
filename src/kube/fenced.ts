import type { Fence, Kube, KubeObject } from "./kube.ts";

/** A client whose every write asks the fence when it is sent. */
export type FencedKube = Kube &
  Readonly<{
    /** Resolves when no write is on its way: then leadership may be given away. */
    settled(): Promise<void>;
  }>;

/** For all that a leader does: none of its writes is sent, or still on its way, once the Lease may be another's. */
export function fenced(kube: Kube, fence: Fence): FencedKube {
  const underWay = new Set<Promise<unknown>>();

  function track<T>(write: Promise<T>): Promise<T> {
    const end = () => underWay.delete(write);
    underWay.add(write);
    write.then(end, end);
    return write;
  }

  return {
    ...kube,
    get namespace() {
      return kube.namespace;
    },
    create: <T extends KubeObject>(...[kind, object, options]: Parameters<Kube["create"]>) =>
      track(kube.create<T>(kind, object, { ...options, fence })),
    update: <T extends KubeObject>(...[ref, object, options]: Parameters<Kube["update"]>) =>
      track(kube.update<T>(ref, object, { ...options, fence })),
    patch: <T extends KubeObject>(...[ref, patch, options]: Parameters<Kube["patch"]>) =>
      track(kube.patch<T>(ref, patch, { ...options, fence })),
    remove: (ref, options) => track(kube.remove(ref, { ...options, fence })),
    putScale: (ref, scale, options) => track(kube.putScale(ref, scale, { ...options, fence })),
    async settled() {
      await Promise.allSettled(underWay);
    },
  };
}
