import { waitFor } from "../wait.ts";
import { type Access, ApiError, type Thing } from "./access.ts";

type Definition = Thing & { status?: { conditions?: readonly { type: string; status: string }[] | null } };

/**
 * So long a definition may take to go, s. Where its kind's storage is not ready yet, the API server's finalizer may miss its
 * own second attempt (a conflict that it does not come back to) until it looks at all of them anew, every 5 minutes.
 */
export const definitionS = 400;

/**
 * Waits until the API server serves all our kinds. `kubectl wait` fails on a definition that is so young that it has no
 * conditions at all; and who serves a kind hears of `Established` a moment after the store does.
 */
export async function established(plane: Access): Promise<void> {
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  for (const plural of ["scaledworkers", "queueconnections", "clusterqueueconnections"]) {
    await waitFor(`${plural} to be served`, async () => {
      const { status } = await plane.request<Definition>("GET", `${definitions}/${plural}.worktide.dev`);
      const isEstablished = status?.conditions?.some((one) => one.type === "Established" && one.status === "True") ?? false;
      return isEstablished && isServed(plane, `/apis/worktide.dev/v1alpha1/${plural}?limit=1`);
    });
  }
}

async function isServed(plane: Access, path: string): Promise<boolean> {
  try {
    await plane.request("GET", path);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}
