import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEvents, type EventNote, type EventsOptions } from "../../src/kube/events.ts";
import { waitFor } from "../support/wait.ts";
import { createRig, type Rig } from "./support.ts";

const place = "/apis/events.k8s.io/v1/namespaces/shop/events";

type Told = Readonly<{ note: string; reason: string; series?: Readonly<{ count: number }>; [field: string]: unknown }>;
const toldIn = ({ api }: Rig) => api.store.list(place) as unknown as readonly Told[];

const scaledUp = (note: string, fields: Partial<EventNote> = {}): EventNote => ({
  regarding: { apiVersion: "worktide.dev/v1alpha1", kind: "ScaledWorker", namespace: "shop", name: "mails", uid: "u1" },
  related: { apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name: "mails" },
  type: "Normal",
  reason: "ScaledUp",
  action: "Scale",
  note,
  ...fields,
});

const open = ({ kube }: Rig, options: Partial<EventsOptions> = {}) =>
  createEvents({
    kube,
    controller: "worktide.dev/controller",
    instance: "pod-1",
    redact: (text) => text.replaceAll("s3cret", "***"),
    ...options,
  });

describe("events", () => {
  it("say what happened, with secrets taken out and no more than a kilobyte", async () => {
    await using rig = await createRig();
    await using events = open(rig);
    events.emit(scaledUp(`from 1 to 9, password s3cret${" é".repeat(900)}`));
    await waitFor("the event", () => toldIn(rig).length === 1);
    const [told] = toldIn(rig);
    assert.ok(told);
    assert.ok(told.note.startsWith("from 1 to 9, password ***") && told.note.endsWith("…"));
    assert.ok(Buffer.byteLength(told.note) <= 1_024 && !told.note.includes("\uFFFD"));
    assert.deepEqual([told.reason, told["action"], told["type"]], ["ScaledUp", "Scale", "Normal"]);
    assert.deepEqual([told["reportingController"], told["reportingInstance"]], ["worktide.dev/controller", "pod-1"]);
    assert.match(String(told["eventTime"]), /\.\d{6}Z$/);
  });

  it("of one kind are folded into a series, told of now and then", async () => {
    await using rig = await createRig();
    let now = 0;
    await using events = open(rig, { clock: () => now });
    for (let i = 0; i < 100; i++) events.emit(scaledUp("queue unreachable", { reason: "QueueUnreachable" }));
    await waitFor("the series", () => toldIn(rig)[0]?.series?.count === 2);
    now += 61_000;
    events.emit(scaledUp("queue unreachable", { reason: "QueueUnreachable" }));
    await waitFor("the count", () => toldIn(rig)[0]?.series?.count === 101);
    assert.deepEqual([toldIn(rig).length, rig.api.requests.length], [1, 3]);
    now += 7 * 60_000;
    events.emit(scaledUp("queue unreachable", { reason: "QueueUnreachable" }));
    await waitFor("a new one after a long pause", () => toldIn(rig).length === 2);
  });

  it("of one object are limited, and those that go beyond are counted in the last one", async () => {
    await using rig = await createRig();
    await using events = open(rig);
    for (let i = 0; i < 200; i++) events.emit(scaledUp(`from ${i} to ${i + 1}`));
    events.emit(
      scaledUp("of another object", {
        regarding: { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "other", uid: "u2" },
      }),
    );
    await waitFor("the last of them", () => toldIn(rig).some(({ note }) => note === "of another object"));
    assert.equal(toldIn(rig).length, 16);
    assert.ok(rig.api.requests.length < 20, `${rig.api.requests.length} requests`);
  });

  it("are dropped rather than queued without bound while the server does not answer", async () => {
    await using rig = await createRig();
    rig.api.set(() => ({ afterMs: Number.POSITIVE_INFINITY }));
    const events = open(rig);
    for (let i = 0; i < 3_000; i++) {
      events.emit(
        scaledUp("x", { regarding: { apiVersion: "v1", kind: "Pod", namespace: "shop", name: `p${i}`, uid: `u${i}` } }),
      );
    }
    assert.ok(events.dropped() > 1_900, `${events.dropped()} dropped`);
    await events[Symbol.asyncDispose]();
  });

  it("are told once when the answer was lost, and not at all where they may not be", async () => {
    await using rig = await createRig();
    const problems: unknown[] = [];
    await using events = open(rig, { onProblem: (problem) => problems.push(problem) });
    let asked = 0;
    rig.api.set(({ method }) => (method === "POST" && asked++ === 0 ? { doneThen: 504 } : undefined));
    events.emit(scaledUp("once"));
    await waitFor("the second try", () => asked === 2);
    assert.equal(toldIn(rig).length, 1);
    rig.api.set(() => ({ status: 403 }));
    events.emit(scaledUp("never"));
    await waitFor("the refusal", () => events.dropped() === 1);
    assert.equal(problems.length, 1);
  });
});
