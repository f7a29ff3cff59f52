/** Series as a scrape stores them: name and labels, then promtool's notation of values, one a minute. */
export type Series = Readonly<Record<string, string>>;

/** What makes an alert fire, and what looks like it and must not; `at`: when it is looked at. */
export type Case = Readonly<{ at: string; fires: Series; silent: Readonly<Record<string, Series>> }>;

const pod = 'job="worktide",instance="10.0.0.1:8484",pod="worktide-a"';
const otherPod = 'job="worktide",instance="10.0.0.2:8484",pod="worktide-b"';
const worker = (name: string, more = "", from = pod) => `worktide_${name}{namespace="shop",scaledworker="mails"${more},${from}}`;
const trigger = (name: string, from = pod) => worker(name, ',trigger="mails",connection="main"', from);
const held = (value: number) => `${value}+0x2000`;
const size = (current: number, desired: number, min = 0, max = 20): Series => ({
  [worker("scaledworker_current_replicas")]: held(current),
  [worker("scaledworker_desired_replicas")]: held(desired),
  [worker("scaledworker_spec_min_replicas")]: held(min),
  [worker("scaledworker_spec_max_replicas")]: held(max),
  [worker("scaledworker_paused")]: held(0),
});
const paused: Series = { [worker("scaledworker_paused")]: held(1) };
const ready = (value: number, from = pod): Series => ({
  [worker("scaledworker_condition", ',condition="Ready",status="true"', from)]: held(value),
});
const waiting = (target: number): Series => ({
  [trigger("queue_oldest_job_timestamp_seconds")]: held(0),
  [trigger("queue_wait_target_seconds")]: held(target),
});
const atMaximum: Series = { [worker("scaledworker_rule_info", ',rule="clamp",reason="AtMaximum"')]: held(1) };
const wants = (count: number): Series => ({ [trigger("queue_wanted_replicas")]: held(count) });
const rounds = (perMinute: number): Series => ({
  [`worktide_round_duration_seconds_count{connection="main",${pod}}`]: `0+${perMinute}x2000`,
});

/** By the alert's name. */
export const alertCases: Readonly<Record<string, Case>> = {
  WorktideDown: {
    at: "10m",
    fires: { 'up{job="worktide"}': held(0) },
    silent: { "it is scraped": { [`worktide_build_info{version="1",${pod}}`]: held(1) } },
  },
  WorktideNoLeader: {
    at: "10m",
    fires: { [`worktide_leader{${pod}}`]: held(0), [`worktide_leader{${otherPod}}`]: held(0) },
    silent: { "the other replica leads": { [`worktide_leader{${pod}}`]: held(0), [`worktide_leader{${otherPod}}`]: held(1) } },
  },
  WorktideWritesFailing: {
    at: "30m",
    fires: {
      [`worktide_writes_total{outcome="ok",${pod}}`]: "0+1x2000",
      [`worktide_writes_total{outcome="failed",${pod}}`]: "0+3x2000",
    },
    silent: {
      "few fail": {
        [`worktide_writes_total{outcome="ok",${pod}}`]: "0+9x2000",
        [`worktide_writes_total{outcome="failed",${pod}}`]: "0+1x2000",
      },
    },
  },
  WorktideSeriesFolded: {
    at: "2h",
    fires: { [`worktide_metrics_folded{kind="trigger",${pod}}`]: held(12) },
    silent: { "all have their own": { [`worktide_metrics_folded{kind="trigger",${pod}}`]: held(0) } },
  },
  WorktideReadingErrors: {
    at: "30m",
    fires: {
      ...rounds(60),
      [`worktide_reading_errors_total{connection="main",scaler="redis",problem="timeout",${pod}}`]: "0+50x2000",
    },
    silent: {
      "few fail": {
        ...rounds(60),
        [`worktide_reading_errors_total{connection="main",scaler="redis",problem="timeout",${pod}}`]: "0+5x2000",
      },
    },
  },
  WorktideReadingSlow: {
    at: "30m",
    fires: {
      [`worktide_round_duration_seconds_bucket{connection="main",le="5",${pod}}`]: "0+1x2000",
      [`worktide_round_duration_seconds_bucket{connection="main",le="10",${pod}}`]: "0+60x2000",
      [`worktide_round_duration_seconds_bucket{connection="main",le="+Inf",${pod}}`]: "0+60x2000",
    },
    silent: {
      "most are quick": {
        [`worktide_round_duration_seconds_bucket{connection="main",le="5",${pod}}`]: "0+59x2000",
        [`worktide_round_duration_seconds_bucket{connection="main",le="10",${pod}}`]: "0+60x2000",
        [`worktide_round_duration_seconds_bucket{connection="main",le="+Inf",${pod}}`]: "0+60x2000",
      },
    },
  },
  WorktideWorkNotDraining: {
    at: "30m",
    fires: { ...size(20, 20), ...waiting(60) },
    silent: {
      "it may wait for so long": { ...size(20, 20), ...waiting(1200) },
      "somebody paused it": { ...size(20, 20), ...waiting(60), ...paused },
      "nothing is asked of the wait": { ...size(20, 20), [trigger("queue_oldest_job_timestamp_seconds")]: held(0) },
    },
  },
  WorktideStuckAtZero: {
    at: "10m",
    fires: { ...size(0, 3), ...wants(3) },
    silent: {
      "nothing is wanted": { ...size(0, 0), ...wants(0) },
      "one is there": { ...size(1, 3), ...wants(3) },
      "somebody paused it": { ...size(0, 0), ...wants(3), ...paused },
    },
  },
  WorktideMaxedOut: {
    at: "30m",
    fires: { ...size(20, 20), ...atMaximum, ...waiting(60) },
    silent: {
      "nobody waits for too long": { ...size(20, 20), ...atMaximum, ...waiting(7200) },
      "its size is fixed": { ...size(20, 20, 20, 20), ...atMaximum, ...waiting(60) },
      "it is below its maximum": { ...size(9, 9), ...waiting(60) },
    },
  },
  WorktideNotConverging: {
    at: "45m",
    fires: size(2, 9),
    silent: {
      "the size is right": size(9, 9),
      "it still moves": { ...size(2, 9), [worker("scaledworker_current_replicas")]: "0+1x2000" },
      "it only observes": { ...size(2, 9), ...paused },
    },
  },
  WorktideReadingStale: {
    at: "10m",
    fires: { [worker("scaledworker_condition", ',condition="ReadingsFresh",status="false"')]: held(1) },
    silent: { "all are fresh": { [worker("scaledworker_condition", ',condition="ReadingsFresh",status="false"')]: held(0) } },
  },
  WorktideNotReady: {
    at: "30m",
    fires: ready(0),
    silent: { "it is ready": ready(1), "the leader says that it is ready": { ...ready(1), ...ready(0, otherPod) } },
  },
  WorktidePausedTooLong: {
    at: "26h",
    fires: { ...paused, [worker("scaledworker_info", ',mode="Scale"')]: held(1) },
    silent: { "it only observes": { ...paused, [worker("scaledworker_info", ',mode="Observe"')]: held(1) } },
  },
  WorktideFlapping: {
    at: "2h",
    fires: {
      [worker("scaledworker_desired_replicas")]: Array.from({ length: 130 }, (_, minute) => (minute % 2 === 0 ? 5 : 1)).join(" "),
    },
    silent: { "it only grows": { [worker("scaledworker_desired_replicas")]: "0+1x2000" } },
  },
};
