/** For eyes, not for CI: `node test/web/look.ts FOLDER` writes pictures of the page; without a folder it serves it until Ctrl-C. */
import path from "node:path";
import { chromium } from "playwright-core";
import { chromiumArgs, findChromium } from "../support/chromium.ts";
import { serveScene } from "./serve-scene.ts";

const folder = process.argv[2];
await using served = await serveScene(folder === undefined ? { port: 8485 } : {});
if (folder === undefined) {
  console.log(served.url);
  await new Promise((resolve) => process.once("SIGINT", resolve));
} else {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("there is no Chromium here");
  const browser = await chromium.launch({ executablePath, args: [...chromiumArgs] });
  const shots = [
    { name: "light", width: 1280, height: 900, colorScheme: "light", open: false },
    { name: "dark", width: 1280, height: 900, colorScheme: "dark", open: true },
    { name: "phone", width: 360, height: 740, colorScheme: "light", open: true },
    { name: "phone-dark", width: 390, height: 844, colorScheme: "dark", open: false },
  ] as const;
  for (const { name, width, height, colorScheme, open } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, deviceScaleFactor: width < 500 ? 2 : 1 });
    page.on("console", (message) => console.log(name, message.type(), message.text()));
    page.on("pageerror", (error) => console.log(name, String(error)));
    await page.goto(served.url);
    await page.locator(".pool").first().waitFor();
    if (open) for (const fold of await page.locator(".pool").first().locator(".fold > summary").all()) await fold.click();
    await page.waitForTimeout(1_500);
    for (let part = 0; part < 3; part++) {
      await page.screenshot({ path: path.join(folder, `${name}-${part}.png`) });
      await page.mouse.wheel(0, height - 80);
      await page.waitForTimeout(300);
    }
    await page.close();
  }
  await browser.close();
}
