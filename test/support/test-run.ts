import { readFileSync } from "node:fs";
import { type ControlPlane, findPrograms, startControlPlane } from "./control-plane.ts";
import { sharedVariable } from "./shared-control-plane.ts";

/**
 * What the files of a test run share: one control plane, where one of them asks for it and one can run here. Its address
 * goes to them through the environment of this process. Builds the programs first where they are missing.
 */
export async function shareControlPlane(files: readonly string[]): Promise<AsyncDisposable | undefined> {
  const texts = files.map((file) => readFileSync(file, "utf8"));
  const asks = (how: RegExp) => texts.some((text) => how.test(text));
  if (!asks(/ControlPlane\b|planeForSuite\(/)) return undefined;
  const programs = await findPrograms();
  if ("missing" in programs) {
    console.error(`without a Kubernetes control plane: ${programs.missing}`);
    return undefined;
  }
  if (!asks(/sharedControlPlane\(|planeForSuite\(\)/)) return undefined;
  const plane: ControlPlane = await startControlPlane();
  process.env[sharedVariable] = plane.kubeconfig;
  return plane;
}
