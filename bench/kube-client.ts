// The client of the API server alone, for bench/kube.ts: `node kube-client.ts FOLDER PORT`, the folder as that of a
// ServiceAccount in a pod. It lists, follows all ScaledWorkers, and prints a JSON line when it has them, and one when as
// many changes as stand in the environment were seen.

import { scaledWorkerKind as scaledWorkers } from "../src/cluster/kinds.ts";
import { createClient } from "../src/kube/client.ts";
import type { KubeObject } from "../src/kube/kube.ts";
import { watchList } from "../src/kube/watch-list.ts";

const changes = Number(process.env["CHANGES"]);
const [root = "", port = ""] = process.argv.slice(2);
const access = { inCluster: { host: "127.0.0.1", port }, root };
const kube = await createClient({ access, userAgent: "worktide-bench" });
const lists = Number(process.env["LISTS"]);
const selection = { kind: scaledWorkers, namespace: "kube-system" };
await kube.list(selection);
const one = performance.now();
for (let i = 0; i < lists; i++) await kube.list(selection);
const all = performance.now();
await Promise.all(Array.from({ length: lists }, () => kube.list(selection)));
const end = performance.now();

type ScaledWorker = KubeObject & Readonly<{ spec: object }>;
const keep = ({ metadata: { uid, generation }, spec }: ScaledWorker) => ({ uid, generation, spec });
const list = watchList(kube, { kind: scaledWorkers }, keep);
await list.synced;
const report = {
  serialMs: (all - one) / lists,
  parallelMs: (end - all) / lists,
  listedMs: performance.now() - end,
  objects: list.size,
};
let seen = 0;
list.onChange(() => {
  seen += 1;
  if (seen === changes) console.log(JSON.stringify({ at: Date.now() }));
});
console.log(JSON.stringify(report));
