// The house with so many ScaledWorkers, of so many triggers each, a Redis list for each trigger:
// `node bench/many.ts URL WORKERS TRIGGERS`. All of it runs (reading, deciding, history, metrics, API) but for the
// processes: ten thousand pools of these belong to no machine. It is what a cluster asks of it.
import { economise } from "../src/cli/economy.ts";

economise(); // counts for what is loaded after it, as in src/main.ts
await import("./many-house.ts");
