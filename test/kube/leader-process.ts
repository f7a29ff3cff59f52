// A contender of its own, for tests that stop and kill it: `node leader-process.ts KUBECONFIG NAMESPACE NAME LEASE_MS`. While it
// leads it writes its term into the ConfigMap `ledger`, as fast as it can.
import { setTimeout as pause } from "node:timers/promises";
import { fenced } from "../../src/kube/fenced.ts";
import { contend } from "../../src/kube/lease.ts";
import { type ConfigMap, clientOf, configMaps } from "./support.ts";

const [kubeconfig = "", namespace = "", identity = "", durationMs = ""] = process.argv.slice(2);
const kube = await clientOf(kubeconfig);
const leadership = contend({
  kube,
  namespace,
  name: "worktide",
  identity,
  durationMs: Number(durationMs),
  settle: () => writer.settled(),
});
const writer = fenced(kube, leadership.fence);
process.once("SIGTERM", () => void leadership[Symbol.asyncDispose]().then(() => process.exit(0)));

// For the test to know that it waits behind somebody, or leads.
const look = setInterval(() => {
  if (leadership.holder() === undefined) return;
  console.log("ready");
  clearInterval(look);
}, 20);

/**
 * Each write holds only for what it was decided on, as every `/scale` does: one that was on its way into the socket when the
 * process was stopped, which no fence can call back, is refused by the server once another leader has written.
 */
const ref = { kind: configMaps, namespace, name: "ledger" };
let seen: ConfigMap | undefined;
for (let count = 0; ; count++) {
  const term = leadership.term();
  if (term === undefined) await pause(10);
  else {
    try {
      seen ??= await writer.get<ConfigMap>(ref);
      const data = { term: String(term), identity, count: String(count) };
      seen = await writer.update<ConfigMap>(ref, { ...seen, data } as ConfigMap);
    } catch {
      seen = undefined;
    }
  }
}
