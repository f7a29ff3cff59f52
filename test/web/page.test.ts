import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import { freePort } from "../../src/services/free-port.ts";
import { loadPage } from "../../src/web/page.ts";
import { chromiumArgs, findChromium, noChromium } from "../support/chromium.ts";
import { patienceMs } from "../support/wait.ts";
import { grown } from "./scene.ts";
import { type SceneOptions, serveScene } from "./serve-scene.ts";
import { conditionsOf, workerOf } from "./synthetic.ts";

const executablePath = findChromium();
/** Costs nothing but where something is wrong: a browser on a machine that is busy takes its time. */
const wait = patienceMs;
/** Time stands still, in the page and in what it is told: an age is the same however long a test takes. */
const now = Date.now();
const at = (age: number) => new Date(now - age).toISOString();

/** What runs in the page is plain JavaScript: the types of a browser have no place in a program for Node. */
const helpers = readFileSync(new URL("./in-page.js", import.meta.url), "utf8");
const inPage = (expression: string) => `(() => { ${helpers}\nreturn ${expression}; })()`;

it("The page and all it loads are at most 150 kB", async () => {
  const sizes = [...(await loadPage()).values()].map(({ body }) => Buffer.byteLength(body));
  const sum = sizes.reduce((all, size) => all + size, 0);
  assert.ok(sum <= 150_000, `${sum} bytes`);
});

it("The page has nothing inline that its policy would forbid, and no absolute address", async () => {
  const html = (await loadPage()).get("")?.body ?? "";
  assert.doesNotMatch(html, /\son[a-z]+=|style=|<style|javascript:|<script(?![^>]*\ssrc=)/i);
  assert.doesNotMatch(html, /(?:src|href)="(?:\/|https?:)/);
});

describe("The page in a browser", { skip: executablePath === undefined ? noChromium : false }, () => {
  let browser: Browser;
  before(async () => {
    browser = await chromium.launch({ ...(executablePath && { executablePath }), args: [...chromiumArgs], timeout: wait });
  });
  after(() => browser?.close());

  /** Opens the page; whatever the console or the policy complains of ends up in `complaints`. */
  async function open(url: string, options: Parameters<Browser["newPage"]>[0] = {}) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    page.setDefaultTimeout(wait);
    await page.clock.setFixedTime(now);
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("data:")) complaints.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    await page.locator(".pool").first().waitFor();
    return { page, complaints };
  }

  const textOf = async (page: Page, selector: string) => (await page.locator(selector).first().innerText()).replace(/\s+/g, " ");

  /** The page draws when the browser gets to it: nothing of it is asserted before it had the time. */
  async function comesTo<T>(read: () => Promise<T>, hold: (value: T) => void): Promise<void> {
    for (const until = performance.now() + wait; ; await pause(50)) {
      const value = await read();
      try {
        return hold(value);
      } catch (error) {
        if (performance.now() > until) throw error;
      }
    }
  }
  const says = (page: Page, selector: string, expected: RegExp) =>
    comesTo(
      () => textOf(page, selector),
      (text) => assert.match(text, expected),
    );
  const has = (page: Page, selector: string, count: number) =>
    comesTo(
      () => page.locator(selector).count(),
      (found) => assert.equal(found, count, selector),
    );
  const serve = (options: SceneOptions = {}) => serveScene({ now, ...options });

  it("shows figures, reasons and what needs attention, and the console stays silent", async () => {
    await using served = await serve();
    const { page, complaints } = await open(served.url);
    const mails = '[data-key="default/mails"]';
    await says(
      page,
      `${mails} .numbers`,
      /Waiting 430 28 running Oldest wait 21 s goal 30 s Workers 9 0 to 20, 1 starting Busy 7/,
    );
    await says(page, `${mails} .row`, /mails .*Working 4 → 9, 12 s ago, work waiting/);
    await says(page, `${mails} .why`, /430 jobs wait in mails/);
    await says(page, "#attention ul", /shop\/invoices not ready: trigger invoices: no answer within 3 s/);
    await says(page, "#attention ul", /resize at its maximum of 8/);
    await says(page, "#attention ul", /connection shop\/billing/);
    await says(page, '[data-key="default/reports"] .row', /Asleep/);
    await says(page, "#totals", /Oldest wait ≥ 95 s/);
    await says(page, "#connections", /default\/main redis ✓? ?Up 4/);
    await page.locator(`${mails} .fold > summary`).first().click();
    await page.locator(`${mails} .would li`).nth(2).waitFor();
    await page.locator(`${mails} .inner > summary`).first().click();
    await says(page, `${mails} .steps`, /behavior 9 no step limit holds it/);
    await comesTo(
      () => page.evaluate<boolean>(inPage("isDrawn(document.querySelector('.pool canvas'))")),
      (drawn) => assert.ok(drawn, "the chart is empty"),
    );
    assert.deepEqual(complaints, []);
    assert.deepEqual(served.faults, []);
    await page.close();
  });

  it("says what it does not know, with what was last known told as such", async () => {
    const lost = (name: string) => {
      const { busy: _, ...worker } = workerOf(now, { name });
      const problem = { kind: "unreachable" as const, message: "connection refused", since: at(60_000), count: 40 };
      const triggers = worker.triggers.map((each) => ({
        ...each,
        state: "stale" as const,
        waiting: 8,
        readAt: at(61_000),
        problem,
      }));
      return { ...worker, triggers };
    };
    await using served = await serve();
    const { page, complaints } = await open(served.url);
    served.scene.set(lost("lost"));
    const card = '[data-key="default/lost"]';
    await page.locator(card).waitFor();
    await page.locator(`${card} > summary`).click();
    await says(page, `${card} .numbers`, /Waiting – last 8, 61 s ago/);
    await says(page, `${card} .numbers`, /Oldest wait – .*Busy – /);
    await has(page, `${card} .pips .idle`, 0); // who is not known to be busy is not known to be idle
    await says(page, "#totals", /Jobs waiting 645 without 2 pools .*Busy 16 without 1 pool/);
    for (const name of ["mails", "resize", "reports"]) served.scene.remove("default", name);
    served.scene.remove("shop", "invoices");
    await page.locator("#totals", { hasText: "not known" }).waitFor();
    await says(page, "#totals", /Jobs waiting – not known Oldest wait – /);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  it("calls attention to workers that live and take no jobs, and to a queue that was never read", async () => {
    const since = at(45_000);
    await using served = await serve();
    const { page } = await open(served.url);
    served.scene.set(workerOf(now, { name: "elsewhere", untakenSince: since }));
    const NeverRead = { status: "False", reason: "NeverRead", message: "trigger x: no such stream", since } as const;
    served.scene.set(workerOf(now, { name: "unborn", conditions: conditionsOf(now, { ReadingsFresh: NeverRead }) }));
    const attention = "#attention ul";
    await says(page, attention, /elsewhere workers take no jobs for 45 s: are they connected to the same broker and queue\?/);
    await says(page, attention, /unborn no reading yet, tried since [\d:]+: trigger x: no such stream/);
    await page.close();
  });

  it("lists changes of size only, the same one over and over as one, and more of them when asked", async () => {
    const changes = Array.from({ length: 24 }, (_, i) => {
      const from = i < 4 ? 3 : i;
      const to = i < 4 ? 2 : i % 3 === 0 ? i : i + 1;
      return {
        id: `d${i}`,
        at: at(i * 1_000),
        from,
        to,
        rule: "demand" as const,
        reason: "WorkWaiting" as const,
        summary: "",
        steps: [],
      };
    });
    await using served = await serve();
    const { page } = await open(served.url);
    served.scene.set({ ...served.mails, changes });
    const mails = page.locator('[data-key="default/mails"]');
    await mails.locator(".fold > summary").nth(1).click();
    const items = '[data-key="default/mails"] .changes > li';
    await mails.getByText("Work waiting, 4 times").waitFor();
    await has(page, items, 9);
    await mails.getByRole("button", { name: "Show 7 more" }).click();
    await has(page, items, 15);
    assert.equal(await mails.locator(".changes", { hasText: "stays" }).count(), 0);
    await page.close();
  });

  it("follows what happens without being asked, says it to a screen reader, and keeps what is open", async () => {
    await using served = await serve();
    const { page, complaints } = await open(served.url);
    const mails = page.locator('[data-key="default/mails"]');
    await mails.locator(".fold > summary").nth(1).click();
    await mails.locator(".changes details > summary").last().click();
    served.scene.set(grown(served.mails, now, 14), {
      t: now + 1,
      waiting: 700,
      oldestMs: 1_000,
      wanted: 14,
      existing: 9,
      busy: 7,
    });
    await mails.getByText("9 → 14").first().waitFor();
    await mails.getByText("Growing").waitFor();
    await has(page, '[data-key="default/mails"] .changes > li', 3);
    assert.equal(await mails.locator(".changes details").last().getAttribute("open"), "", "an open decision was closed");
    await page.locator("#announce", { hasText: "mails: from 9 to 14 workers" }).waitFor({ state: "attached" });
    served.scene.remove("default", "reports");
    await page.locator('[data-key="default/reports"]').waitFor({ state: "detached" });
    assert.deepEqual(complaints, []);
    await page.close();
  });

  it("says since when it is stale, and comes back by itself with everything", async () => {
    const first = await serve({ port: await freePort() });
    const { page } = await open(first.url);
    await page.locator("#live", { hasText: /^Live$/ }).waitFor();
    await first[Symbol.asyncDispose]();
    await page.locator("#live", { hasText: /Stale since \d\d:\d\d:\d\d, reconnecting/ }).waitFor();
    await using second = await serve({ port: first.port });
    second.scene.set({ ...second.mails, busy: 3 });
    await page.locator("#live", { hasText: /^Live$/ }).waitFor();
    await page.locator('[data-key="default/mails"] .numbers dd', { hasText: /^3$/ }).waitFor();
    await page.close();
  });

  it("shows the past again after a reload", async () => {
    await using served = await serve();
    const { page } = await open(served.url);
    await page.reload();
    const mails = page.locator('[data-key="default/mails"]');
    await mails.locator(".fold > summary").nth(2).click();
    await mails.locator(".fold").nth(2).locator("tbody tr").nth(9).waitFor();
    await page.close();
  });

  it("does not scroll sideways at 360 px, folds open or closed, in either scheme", async () => {
    await using served = await serve();
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await open(served.url, { viewport: { width: 360, height: 740 }, colorScheme });
      const fits = () =>
        comesTo(
          () => page.evaluate<number>("document.documentElement.scrollWidth"),
          (wide) => assert.equal(wide, 360),
        );
      await fits();
      for (const summary of await page.locator(".fold > summary").all()) await summary.click();
      await fits();
      assert.deepEqual(complaints, []);
      await page.close();
    }
  });

  it("can be used with the keyboard alone, and shows where the focus is", async () => {
    await using served = await serve();
    const { page } = await open(served.url);
    await page.keyboard.press("Tab");
    const focused = () => page.evaluate<string>("document.activeElement?.textContent.trim() ?? ''");
    await comesTo(focused, (text) => assert.equal(text, "Skip to the pools"));
    await page.keyboard.press("Enter");
    await comesTo(
      () => page.evaluate<string>("document.activeElement?.id"),
      (id) => assert.equal(id, "main"),
    );
    const reached = new Set<string>();
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      reached.add(await focused());
      const outlined = await page.evaluate<boolean>(inPage("focusShows()"));
      assert.ok(outlined, `no focus to be seen on ${await focused()}`);
    }
    for (const text of ["shop/invoices", "Why 9 workers", "Last changes of size", "Figures as a table"])
      assert.ok(reached.has(text), text);
    await page.locator("#attention a").first().focus();
    await page.keyboard.press("Enter");
    await comesTo(focused, (text) => assert.match(text, /shop\/invoices/));
    await page.close();
  });

  it("has the roles and names that assistive technology needs", async () => {
    await using served = await serve();
    const { page } = await open(served.url, { reducedMotion: "reduce" });
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    await has(page, "role=main", 1);
    await has(page, "role=heading[level=1]", 1);
    for (const name of ["Needs attention", "Pools", "Connections"])
      await page.getByRole("heading", { level: 2, name }).first().waitFor();
    await has(page, "role=heading[level=3]", 4);
    await page
      .getByRole("img", { name: /Workers: 9 exist now, 7 busy, 9 wanted, at most 20/ })
      .first()
      .waitFor();
    assert.equal(await page.getByRole("radio", { name: "15 min" }).isChecked(), true);
    assert.equal(await page.locator("#announce").getAttribute("aria-live"), "polite");
    await comesTo(
      () => page.evaluate<string[]>(inPage("unnamed()")),
      (unnamed) => assert.deepEqual(unnamed, []),
    );
    const ids = await page.evaluate<string[]>("[...document.querySelectorAll('[id]')].map(({ id }) => id)");
    assert.equal(new Set(ids).size, ids.length, "ids are unique");
    await comesTo(
      () => page.locator(".chip").allTextContents(),
      (states) => assert.ok(states.length >= 6 && states.every((text) => /[A-Z][a-z]+/.test(text)), "a state has a word"),
    );
    await page.close();
  });

  it("has text that stands out enough from its ground in both schemes", async () => {
    await using served = await serve();
    for (const colorScheme of ["light", "dark"] as const) {
      const { page } = await open(served.url, { colorScheme });
      await comesTo(
        () => page.evaluate<string[]>(inPage("faintTexts()")),
        (faint) => assert.deepEqual(faint, [], colorScheme),
      );
      await page.close();
    }
  });

  it("works below a base path", async () => {
    await using served = await serve({ basePath: "/tools/worktide" });
    const { page, complaints } = await open(served.url);
    await page.locator("#live", { hasText: /^Live$/ }).waitFor();
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
