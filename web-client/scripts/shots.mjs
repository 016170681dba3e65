// Pictures of every page in the sizes that count, from the development server with invented data.
// Usage: node scripts/shots.mjs [part of a name]; they land in shots/.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { createServer } from "vite";

const only = process.argv[2] ?? "";
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1366, height: 768 };
const LANDSCAPE = { width: 844, height: 390 };
const SHOTS = [
  ["login", "/login?mock&out"],
  ["login-meeting", "/login?mock&out&next=/s/s1"],
  ["password", "/password?mock&force"],
  ["home", "/?mock"],
  ["home-large", "/?mock&large"],
  ["home-observer", "/?mock&as=observer"],
  ["home-empty", "/?mock&empty&as=member"],
  ["home-error", "/?mock&fail=home"],
  ["create", "/create?mock"],
  ["session-planned", "/sessions/s1?mock&state=planned"],
  ["session-running", "/sessions/s1?mock"],
  ["lobby", "/s/s1?mock"],
  ["lobby-denied", "/s/s1?mock&denied=NotAllowedError"],
  ["lobby-observer", "/s/s1?mock&as=observer"],
  ["checkin", "/checkin/s1?mock&c=x"],
  ["checkin-late", "/checkin/s1?mock&c=x&fail=code"],
  ["site-form", "/site/s1?mock"],
  ["room-site", "/site/s1?mock&open"],
  ["room-rollcall", "/s/s1?mock&visit=1&rollcall"],
  ["room-roll", "/s/s1?mock&visit=1&rollpanel"],
  ["waiting", "/s/s1?mock&fail=closed&state=planned"],
  ["refused", "/s/s1?mock&fail=forbidden"],
  ["room", "/s/s1?mock&visit=1"],
  ["room-few", "/s/s1?mock&visit=1&people=3&observer=0"],
  ["room-alone", "/s/s1?mock&visit=1&people=1&observer=0&state=opened"],
  ["room-share", "/s/s1?mock&visit=1&share&me=2"],
  ["room-lost", "/s/s1?mock&visit=1&lost&me=2"],
  ["room-cut", "/s/s1?mock&visit=1&cut&me=2"],
  ["room-observer", "/s/s1?mock&visit=observer&as=observer"],
  ["room-large", "/s/s1?mock&visit=1&large"],
  ["room-eight", "/s/s1?mock&visit=1&people=8"],
  ["room-english", "/s/s1?mock&visit=1&people=8"],
  ["home-english", "/?mock"],
  ["archive-english", "/archive/s1?mock"],
  ["archive", "/archive/s1?mock"],
  ["archive-composing", "/archive/s1?mock&render=running"],
  ["archive-broken", "/archive/s1?mock&render=failed&broken"],
  ["not-found", "/nowhere?mock"],
  ["gallery", "/dev/gallery?mock"],
];

const server = await createServer({ server: { port: 5199, strictPort: false }, logLevel: "error" });
await server.listen();
const base = server.resolvedUrls.local[0].replace(/\/$/, "");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"],
});
mkdirSync("shots", { recursive: true });
for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP, landscape: LANDSCAPE })) {
  for (const [name, path] of SHOTS) {
    if (!`${name}-${size}`.includes(only)) continue;
    if (size === "landscape" && !/^(room|lobby)/.test(name)) continue;
    const context = await browser.newContext({ viewport, locale: name.endsWith("-english") ? "en-US" : "zh-CN", timezoneId: "Asia/Shanghai", hasTouch: size !== "desktop", permissions: name.includes("denied") ? [] : ["camera", "microphone"] });
    const page = await context.newPage();
    page.on("pageerror", (error) => console.log(name, size, "page error:", error.message));
    page.on("console", (line) => line.type() === "error" && console.log(name, size, line.text()));
    await page.goto(base + path);
    await page.waitForTimeout(name.startsWith("room") || name.startsWith("lobby") ? 2500 : 900);
    if (name.startsWith("checkin")) await page.getByTestId("checkin-button").click();
    if (name === "room-site") {
      await page.getByTestId("site-name").fill("三楼会议室");
      await page.getByTestId("site-open").click();
      await page.waitForTimeout(3000);
    }
    if (name === "room-roll" && size === "desktop") await page.getByTestId("tab-roll").click();
    if (name === "room-roll" && size === "phone") {
      await page.getByTestId("btn-more").click();
      await page.getByTestId("more-roll").click();
    }
    if (/^(checkin|room-roll)/.test(name)) await page.waitForTimeout(600);
    await page.screenshot({ path: `shots/${name}-${size}.png`, fullPage: !name.startsWith("room") && size === "desktop" });
    await context.close();
  }
}
await browser.close();
await server.close();
