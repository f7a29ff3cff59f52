import { waitFor } from "../wait.ts";
import type { Access, Thing } from "./access.ts";

type Definition = Thing & { status?: { conditions?: readonly { type: string; status: string }[] | null } };

/**
 * Waits until the API server serves all our kinds. `kubectl wait` fails on a definition that is so young that it has no
 * conditions at all.
 */
export async function established(plane: Access): Promise<void> {
  const url = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  for (const plural of ["scaledworkers", "queueconnections", "clusterqueueconnections"]) {
    await waitFor(
      `${plural} to be served`,
      async () => {
        const { status } = await plane.request<Definition>("GET", `${url}/${plural}.worktide.dev`);
        return status?.conditions?.some((one) => one.type === "Established" && one.status === "True") ?? false;
      },
      60_000,
    );
  }
}
