import { accessSync, constants } from "node:fs";
import path from "node:path";

const names = ["chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable", "chrome"];
const bundles = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** A Chromium to drive: WORKTIDE_CHROMIUM, or one on the PATH or in its usual place. Undefined when there is none. */
export function findChromium(): string | undefined {
  const named = process.env["WORKTIDE_CHROMIUM"];
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/bin", "/usr/local/bin", "/snap/bin"];
  const places = [
    ...(named ? [named] : []),
    ...folders.flatMap((folder) => names.map((name) => path.join(folder, name))),
    ...bundles,
  ];
  return places.find(isProgram);
}

/** Why a test of the page is skipped where there is none. */
export const noChromium = "needs Chromium: apt-get install chromium, or name one in WORKTIDE_CHROMIUM";

/** Without a sandbox, since tests may run as root in a container; without anything that calls home. */
export const chromiumArgs: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
