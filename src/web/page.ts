import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** One file of the page, held in memory. */
export type Asset = Readonly<{ body: string; type: string; etag: string }>;

/** The files of the page by their path below the base path; "" is the page itself. */
export type Page = ReadonlyMap<string, Asset>;

const types = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
} as const;

const here = (file: string) => new URL(`./page/${file}`, import.meta.url);

const files: readonly Readonly<{ path: string; type: keyof typeof types; from: () => URL | string }>[] = [
  { path: "", type: "html", from: () => here("index.html") },
  { path: "assets/style.css", type: "css", from: () => here("style.css") },
  { path: "assets/icon.svg", type: "svg", from: () => here("icon.svg") },
  ...["app", "view", "pool", "tables", "charts", "elements", "state", "words"].map((name) => ({
    path: `assets/${name}.js`,
    type: "js" as const,
    from: () => here(`${name}.js`),
  })),
  { path: "assets/uplot.js", type: "js", from: () => createRequire(import.meta.url).resolve("uplot/dist/uPlot.iife.min.js") },
  { path: "assets/uplot.css", type: "css", from: () => createRequire(import.meta.url).resolve("uplot/dist/uPlot.min.css") },
];

/** Reads the files of the page. Throws when the installation is not whole. */
export async function loadPage(): Promise<Page> {
  const assets = await Promise.all(
    files.map(async ({ path, type, from }) => {
      const body = await readFile(from(), "utf8");
      const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 20)}"`;
      return [path, { body, type: types[type], etag }] as const;
    }),
  );
  return new Map(assets);
}
