/** Small measurements of the line to the server. */

const TRIES = 3;
const SOCKET_MS = 6_000;
/** Downloads go on for so long, or so many times. */
const DOWNLOAD_MS = 1_500;
const DOWNLOADS = 6;
const UPLOADS = 3;
const UPLOAD_BYTES = 60_000;
/** A silent server must not hold up the page. */
const TRANSFER_MS = 8_000;
/** In this time a spent budget grows enough for another try. */
const BUSY_MS = 1_200;

/** The server answers, but not this much at once. */
class Busy extends Error {}

export interface Hello {
  rttMs: number;
  /** Own clock minus the server's. */
  aheadMs: number;
  iceServers: RTCIceServer[];
}

/** The best of some exchanges; null when the server does not answer. */
export async function hello(): Promise<Hello | null> {
  let best: Hello | null = null;
  for (let n = 0; n < TRIES; n += 1) {
    const from = performance.now();
    const began = Date.now();
    try {
      const answer = await limited("/api/network", { cache: "no-store" });
      const rttMs = performance.now() - from;
      const info = (await answer.json()) as { server_time_us: number; ice_servers: RTCIceServer[] };
      if (best === null || rttMs < best.rttMs) {
        best = { rttMs, aheadMs: began + rttMs / 2 - info.server_time_us / 1_000, iceServers: info.ice_servers };
      }
    } catch (error) {
      // It is there, and others of this house test just now; or the next one may come through.
      if (error instanceof Busy) await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    }
  }
  return best;
}

export function websocket(open: () => WebSocket): Promise<boolean> {
  return new Promise((resolve) => {
    let socket: WebSocket;
    try {
      socket = open();
    } catch {
      resolve(false);
      return;
    }
    const done = (works: boolean) => {
      clearTimeout(timer);
      socket.close();
      resolve(works);
    };
    const timer = setTimeout(() => done(false), SOCKET_MS);
    socket.onopen = () => done(true);
    socket.onerror = () => done(false);
  });
}

/** Bits a second, each way; null when it could not be measured. A hint: one connection, briefly. */
export async function bandwidth(rttMs: number): Promise<{ down: number | null; up: number | null }> {
  return { down: await down(), up: await up(rttMs) };
}

async function down(): Promise<number | null> {
  try {
    let bytes = 0;
    const from = performance.now();
    for (let n = 0; n < DOWNLOADS && performance.now() - from < DOWNLOAD_MS; n += 1) {
      bytes += (await (await limited("/api/network/download", { cache: "no-store" })).arrayBuffer()).byteLength;
    }
    return rate(bytes, performance.now() - from);
  } catch {
    return null;
  }
}

async function up(rttMs: number): Promise<number | null> {
  try {
    const body = new Uint8Array(UPLOAD_BYTES);
    crypto.getRandomValues(body);
    let spent = 0;
    for (let n = 0; n < UPLOADS; n += 1) {
      const from = performance.now();
      await limited("/api/network/upload", { method: "POST", body });
      spent += Math.max(1, performance.now() - from - rttMs);
    }
    return rate(UPLOADS * UPLOAD_BYTES, spent);
  } catch {
    return null;
  }
}

const rate = (bytes: number, ms: number): number => (8_000 * bytes) / Math.max(1, ms);

async function limited(path: string, init: RequestInit): Promise<Response> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TRANSFER_MS);
  try {
    const response = await fetch(path, { ...init, signal: stop.signal });
    if (response.status === 429) throw new Busy();
    if (!response.ok) throw new Error(String(response.status));
    return response;
  } finally {
    clearTimeout(timer);
  }
}
