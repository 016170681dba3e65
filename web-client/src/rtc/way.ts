/**
 * The way that media took last time from this browser, remembered over visits.
 *
 * ICE tries all ways each time and takes the best that works, so remembering cannot keep anybody
 * on a worse one: it only lets a browser that needed a relay ask for one before it is needed.
 */
import type { Path } from "./network";

const KEY = "yuntang.way";
/** Another month, another network. */
const KEPT_MS = 30 * 24 * 3_600_000;

const PATHS: readonly string[] = ["direct", "tcp", "relay"] satisfies Path[];

export function rememberWay(path: Path, nowMs = Date.now()): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ path, atMs: nowMs }));
  } catch {
    // Without storage every visit begins like the first.
  }
}

export function rememberedWay(nowMs = Date.now()): Path | null {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "null") as { path?: unknown; atMs?: unknown } | null;
    if (typeof kept?.path !== "string" || !PATHS.includes(kept.path)) return null;
    const fresh = typeof kept.atMs === "number" && nowMs - kept.atMs < KEPT_MS;
    return fresh ? (kept.path as Path) : null;
  } catch {
    return null;
  }
}

/** One of our own TURN server's ways, as the join answer gives them. */
export interface IceServer {
  urls: string[];
  username: string;
  credential: string;
}

/** Settings of a connection: relays are asked for ahead by whom the direct ways failed last time. */
export function connectionSettings(servers: readonly IceServer[], last: Path | null): RTCConfiguration {
  return {
    bundlePolicy: "max-bundle",
    rtcpMuxPolicy: "require",
    iceServers: servers.map(({ urls, username, credential }) => ({ urls, username, credential })),
    ...(last === "relay" && servers.length > 0 ? { iceCandidatePoolSize: 1 } : {}),
  };
}
