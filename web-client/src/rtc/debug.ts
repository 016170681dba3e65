/** `window.__yuntang`, with `?debug` only: what end-to-end tests and support read. No secrets in it. */
import type { Event as RoomEvent } from "@/protocol/generated/protocol";
import { flags } from "./flags";
import type { RoomClient } from "./roomClient";
import type { Acknowledged, LineState } from "./signaling";

export interface DebugHandle {
  /** Every acknowledged request of this page, oldest first. */
  acks: Acknowledged[];
  /** Every event received, oldest first. */
  events: { atMs: number; event: RoomEvent }[];
  /** Changes of the line, oldest first. */
  lines: { atMs: number; state: LineState }[];
  /** The reports of `RTCPeerConnection.getStats()` as plain objects. */
  stats: () => Promise<Record<string, unknown>[]>;
  pc: () => RTCPeerConnection | null;
  participant: string | null;
  endpoint: string | null;
}

const KEPT = 5_000;

export function exposeDebug(client: RoomClient): void {
  if (!flags.debug && import.meta.env.MODE !== "test") return;
  const target = window as unknown as { __yuntang?: DebugHandle };
  const handle: DebugHandle = {
    acks: target.__yuntang?.acks ?? [],
    events: target.__yuntang?.events ?? [],
    lines: target.__yuntang?.lines ?? [],
    pc: () => client.peer?.pc ?? null,
    stats: async () => {
      const report = await client.peer?.pc.getStats();
      const list: Record<string, unknown>[] = [];
      report?.forEach((one) => list.push({ ...(one as Record<string, unknown>) }));
      return list;
    },
    participant: null,
    endpoint: null,
  };
  const keep = <T>(list: T[], one: T) => {
    list.push(one);
    if (list.length > KEPT) list.shift();
  };
  client.signaling.on("acknowledged", (one) => keep(handle.acks, one));
  client.signaling.on("event", (event) => keep(handle.events, { atMs: Date.now(), event }));
  client.signaling.on("state", (state) => keep(handle.lines, { atMs: Date.now(), state }));
  client.signaling.on("welcome", (welcome) => {
    handle.participant = welcome.participant;
    handle.endpoint = welcome.endpoint;
  });
  target.__yuntang = handle;
}
