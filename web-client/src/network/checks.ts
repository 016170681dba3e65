/** What the connection test finds, and what that means: pure, so that every sentence is tested. */
import type { Browser } from "./browser";

export const KEYS = ["browser", "secure", "server", "websocket", "udp", "tcp", "turn", "bandwidth", "clock", "camera", "microphone"] as const;
export type Key = (typeof KEYS)[number];

/** `off`: this server does not have it. `warn`: it works, but not well. */
export type Verdict = "running" | "good" | "warn" | "bad" | "off";

export interface Check {
  key: Key;
  verdict: Verdict;
  /** Which sentence: `networkTest.says.<key>.<says>`. */
  says: string;
  named: Record<string, string | number>;
}

export type PathOutcome = "works" | "fails" | "off" | "unknown";
export type DeviceState = "granted" | "prompt" | "denied" | "missing" | "insecure" | "unknown";
export interface Paths {
  udp: PathOutcome;
  tcp: PathOutcome;
  turn: PathOutcome;
}

/** Oldest versions that are tried: the browsers of 2021. */
const OLDEST: Record<string, number> = { Chromium: 90, Firefox: 90, Safari: 15 };
const SLOW_MS = 300;
const CLOCK_MS = 30_000;
/** A picture of 360 lines and the voices of a meeting; below it only sound is smooth. */
const LITTLE_DOWN = 1_500_000;
const LITTLE_UP = 500_000;

const check = (key: Key, verdict: Verdict, says: string, named: Check["named"] = {}): Check => ({ key, verdict, says, named });

export const running = (key: Key): Check => check(key, "running", "running");

export function ofBrowser(browser: Browser): Check {
  const named = { name: browser.name, version: browser.version, oldest: OLDEST[browser.engine] ?? 0 };
  if (!browser.webrtc) return check("browser", "bad", "noMedia", named);
  const oldest = OLDEST[browser.engine];
  if (oldest === undefined || !browser.version) return check("browser", "warn", "unknown", named);
  return browser.version < oldest ? check("browser", "bad", "old", named) : check("browser", "good", "good", named);
}

export const ofSecure = (secure: boolean): Check => (secure ? check("secure", "good", "good") : check("secure", "bad", "bad"));

export function ofServer(rttMs: number | null): Check {
  if (rttMs === null) return check("server", "bad", "bad");
  const ms = Math.max(1, Math.round(rttMs));
  return ms > SLOW_MS ? check("server", "warn", "slow", { ms }) : check("server", "good", "good", { ms });
}

export const ofWebsocket = (works: boolean): Check => (works ? check("websocket", "good", "good") : check("websocket", "bad", "bad"));

/** A path that fails is grave only when no other works. */
export function ofPath(key: "udp" | "tcp" | "turn", paths: Paths, place: { host: string; port: string }): Check {
  const outcome = paths[key];
  if (outcome === "works") return check(key, "good", "good");
  if (outcome === "off") return check(key, "off", "off");
  if (outcome === "unknown") return check(key, "warn", "unknown");
  const other = Object.values(paths).includes("works");
  return other ? check(key, "warn", "warn", place) : check(key, "bad", "bad", place);
}

export function ofBandwidth(downBps: number | null, upBps: number | null): Check {
  if (downBps === null || upBps === null) return check("bandwidth", "warn", "unknown");
  const named = { down: megabits(downBps), up: megabits(upBps) };
  return downBps < LITTLE_DOWN || upBps < LITTLE_UP ? check("bandwidth", "warn", "little", named) : check("bandwidth", "good", "good", named);
}

const megabits = (bps: number) => (bps >= 10_000_000 ? String(Math.round(bps / 1_000_000)) : (bps / 1_000_000).toFixed(1));

/** `aheadMs`: own clock minus the server's. */
export function ofClock(aheadMs: number | null): Check {
  if (aheadMs === null) return check("clock", "warn", "unknown");
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  if (Math.abs(aheadMs) <= CLOCK_MS) return check("clock", "good", "good", { seconds });
  return check("clock", "warn", aheadMs > 0 ? "fast" : "slow", { seconds });
}

const DEVICE: Record<DeviceState, Verdict> = { granted: "good", prompt: "good", unknown: "good", denied: "bad", missing: "warn", insecure: "bad" };

export const ofDevice = (key: "camera" | "microphone", state: DeviceState): Check => check(key, DEVICE[state], state);

/** Whether one can take part: without these there is no meeting, whatever else works. */
const VITAL: readonly Key[] = ["browser", "server", "websocket"];
const PATHS: readonly Key[] = ["udp", "tcp", "turn"];

export type Summary = "running" | "good" | "care" | "bad";

export function summary(checks: readonly Check[]): Summary {
  if (checks.some((one) => one.verdict === "running")) return "running";
  const paths = checks.filter((one) => PATHS.includes(one.key));
  const vital = checks.some((one) => VITAL.includes(one.key) && one.verdict === "bad");
  const cut = !paths.some((one) => one.verdict === "good" || one.says === "unknown");
  if (vital || cut) return "bad";
  return checks.some((one) => one.verdict === "warn" || one.verdict === "bad") ? "care" : "good";
}

export const needsCare = (checks: readonly Check[]): number => checks.filter((one) => one.verdict === "warn" || one.verdict === "bad").length;
