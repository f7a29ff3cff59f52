import type { Caller } from "./caller.ts";
import { type Discovered, isKubeError, type Kube } from "./kube.ts";
import { groupPath } from "./paths.ts";

/** `APIResourceList`: one entry for each kind, and one named `plural/subresource` for each of its subresources. */
type Resources = Readonly<{ resources?: readonly Readonly<{ name: string; kind: string; namespaced: boolean }>[] }>;

/** A kind that is there stays for long; one that is not may come with the next `kubectl apply`. */
const knownMs = 10 * 60_000;
const unknownMs = 10_000;

type Group = Readonly<{ found: Promise<Resources | undefined>; at: number }>;

/** Asks once for each group version, however many kinds of it are looked for. */
export function createDiscovery({ call }: Caller, clock: () => number): Kube["discover"] {
  const groups = new Map<string, Group>();

  async function ask(apiVersion: string, options: Parameters<Kube["discover"]>[2]): Promise<Resources | undefined> {
    try {
      return await call<Resources>({
        ...options,
        ...{ verb: "get", kind: "APIResourceList" },
        method: "GET",
        path: groupPath(apiVersion),
        doing: `discovering ${apiVersion}`,
      });
    } catch (error) {
      if (isKubeError(error, "NotFound")) return undefined;
      groups.delete(apiVersion);
      throw error;
    }
  }

  function resourcesOf(apiVersion: string, maxAgeMs: number, options: Parameters<Kube["discover"]>[2]) {
    const known = groups.get(apiVersion);
    if (known && clock() - known.at < maxAgeMs) return known.found;
    const found = ask(apiVersion, options);
    groups.set(apiVersion, { found, at: clock() });
    return found;
  }

  return async (apiVersion, kind, options) => {
    const known = kindIn(apiVersion, kind, await resourcesOf(apiVersion, knownMs, options));
    return known ?? kindIn(apiVersion, kind, await resourcesOf(apiVersion, unknownMs, options));
  };
}

function kindIn(apiVersion: string, kind: string, found: Resources | undefined): Discovered | undefined {
  const resources = found?.resources ?? [];
  const main = resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
  if (!main) return undefined;
  const has = (subresource: string) => resources.some(({ name }) => name === `${main.name}/${subresource}`);
  const { name: plural, namespaced } = main;
  return { kind: { apiVersion, kind, plural, namespaced }, scale: has("scale"), status: has("status") };
}
