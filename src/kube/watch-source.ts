import { lossOf } from "./failure.ts";
import { isOlder, type Kube, KubeError, type KubeObject, keyOf, type Selection, type WatchFrame } from "./kube.ts";
import { pagesOf } from "./pages.ts";
import { titleOfAll } from "./paths.ts";
import { jitterMs, pause } from "./wait.ts";
import { type Changed, createWatchStore, type WatchStore } from "./watch-store.ts";

export type SourceOptions<T extends KubeObject, Slim> = Readonly<{
  kube: Kube;
  selection: Selection;
  slim: (object: T) => Slim | undefined;
  /** Must not throw. */
  onChange: Changed<Slim>;
  onProblem: (error: unknown) => void;
  clock: () => number;
  /** A whole list at least so often, ms: it heals what a watch lost. */
  relistMs: number;
}>;

/** One list with its watch. */
export type Source<Slim> = AsyncDisposable &
  Readonly<{
    held: WatchStore<Slim>["held"];
    synced: Promise<void>;
    isSynced(): boolean;
    ageMs(): number | undefined;
    problem(): KubeError | undefined;
  }>;

const backoffBaseMs = 200;
const backoffCapMs = 5_000;
/** A kind that is not there, or not ours to read, comes with an act of somebody: of whoever installs, for one. */
const absentMs = { missing: 10_000, forbidden: 30_000 } as const;
/** A stream that ends sooner counts as a failure, or a server that ends all of them would be asked without pause. */
const shortMs = 1_000;
/** After so many streams without one good frame the resource version itself is doubted. */
const barren = 3;
/** A store that is older than what it said before is believed after so long: it was restored from a backup. */
const restoredMs = 5 * 60_000;

/** Lists, watches from there on, and goes on doing so until it is disposed, whatever happens. */
export function createSource<T extends KubeObject, Slim>(options: SourceOptions<T, Slim>): Source<Slim> {
  const { kube, selection, slim, onProblem, clock } = options;
  const title = titleOfAll(selection);
  const ending = new AbortController();
  const synced = Promise.withResolvers<void>();
  const store = createWatchStore<Slim>(options.onChange);
  let isSynced = false;
  let heardAt: number | undefined;
  let problem: KubeError | undefined;
  /** Everything up to here is known. */
  let version = "0";
  let mustList = true;
  let dueAt = 0;
  let failures = 0;
  let wasAbsent = false;
  let staleSince: number | undefined;
  let listing: Promise<void> | undefined;

  function put(object: T, by: "take" | "change"): void {
    try {
      store[by](object, slim(object));
    } catch (error) {
      onProblem(error); // one object that cannot be read must not hide the others
    }
  }

  const hear = () => {
    heardAt = clock();
    problem = undefined;
  };
  const advance = (to: string) => {
    if (isOlder(version, to)) version = to;
  };

  /** One at a time, however many want it. */
  const relist = (): Promise<void> => {
    listing ??= list().finally(() => {
      listing = undefined;
    });
    return listing;
  };

  async function list(): Promise<void> {
    const knownBefore = version;
    const keys = new Set<string>();
    let listVersion = "0";
    for await (const page of pagesOf<T>(kube, selection, ending.signal)) {
      listVersion = page.resourceVersion;
      if (isOlder(listVersion, knownBefore)) refuseOld(listVersion, knownBefore);
      for (const object of page.items) {
        keys.add(keyOf(object.metadata));
        put(object, "take");
      }
    }
    finish(keys, listVersion);
  }

  function refuseOld(listVersion: string, knownBefore: string): void {
    staleSince ??= clock();
    if (clock() - staleSince < restoredMs) {
      throw unlucky(
        "StaleRead",
        `listing ${title}: an answer of version ${listVersion}, older than ${knownBefore}, which was seen`,
      );
    }
    version = "0";
    store.clear();
  }

  function finish(keys: ReadonlySet<string>, listVersion: string): void {
    staleSince = undefined;
    // A kind that was just made again is empty before its objects are restored: that is not "all of them deleted".
    const doubtful = wasAbsent && keys.size === 0 && store.held.size > 0;
    wasAbsent = false;
    if (doubtful) throw unlucky("Absent", `listing ${title}: they are served again, and there are none`);
    store.keepOnly(keys, listVersion);
    advance(listVersion);
    mustList = false;
    dueAt = clock() + options.relistMs * (0.8 + Math.random() / 5);
    hear();
    isSynced = true;
    synced.resolve();
  }

  function onFrame({ type, object }: WatchFrame<T>): void {
    hear();
    failures = 0;
    if (type === "DELETED") store.drop(object);
    else if (type !== "BOOKMARK") put(object, "change");
    advance(object.metadata.resourceVersion);
  }

  async function watch(): Promise<void> {
    const startedAt = clock();
    const stop = relistWhenDue();
    try {
      await kube.watch<T>({ ...selection, resourceVersion: version, signal: ending.signal, onOpen: hear }, onFrame);
    } finally {
      stop();
    }
    if (clock() - startedAt < shortMs) throw unlucky("ConnectionLost", `watching ${title}: the stream ended at once`);
    failures = 0;
  }

  /** Beside the watch, which goes on: nothing waits for it. Returns how to stop. */
  function relistWhenDue(): () => void {
    let timer: NodeJS.Timeout | undefined;
    let stopped = false;
    const arm = (leastMs: number) => {
      if (!stopped) timer = setTimeout(() => void relist().catch(onProblem).finally(again), Math.max(leastMs, dueAt - clock()));
    };
    const again = () => arm(Math.min(absentMs.forbidden, options.relistMs));
    arm(0);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      try {
        if (mustList) await relist();
        else await watch();
      } catch (error) {
        if (!ending.signal.aborted) await pause(fail(error), ending.signal);
      }
    }
  }

  /** How long to wait after this failure, ms. */
  function fail(error: unknown): number {
    failures += 1;
    problem = lossOf(error, { doing: `following ${title}`, write: false }, "lost");
    onProblem(problem);
    if (problem.status === 410 || failures >= barren) mustList = true;
    if (problem.status === 404) wasAbsent = true;
    const missing = problem.status === 404 || problem.reason === "Absent";
    const absence = missing ? absentMs.missing : problem.status === 403 ? absentMs.forbidden : undefined;
    const waitMs = absence === undefined ? jitterMs(failures, backoffBaseMs, backoffCapMs) : absence * (0.8 + Math.random() / 5);
    return Math.max(waitMs, problem.retryAfterMs ?? 0);
  }

  const running = run();
  return {
    held: store.held,
    synced: synced.promise,
    isSynced: () => isSynced,
    ageMs: () => (heardAt === undefined ? undefined : clock() - heardAt),
    problem: () => problem,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await running;
      await listing?.catch(() => {});
    },
  };
}

const unlucky = (reason: string, message: string) => new KubeError({ status: 0, reason, message, outcome: "refused" });
