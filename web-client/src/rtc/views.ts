/**
 * What the page shows: every tile says how large it is, and the server hears the whole list when it
 * has settled. What is on no tile, and everything while the page is hidden, is not sent at all.
 */
import type { ShownTrack, Source } from "@/protocol/generated/protocol";
import { trackKey } from "./peer";

export interface Tile {
  participant: string;
  source: Source;
  /** Device pixels. */
  width: number;
  height: number;
  visible: boolean;
  /** Higher comes first when the line is too weak for all. */
  priority: number;
}

/** A window being dragged is told a few times a second. */
const SETTLE_MS = 120;
const RETRY_MS = 1_000;
const LARGEST = 65_535;

export class Views {
  private readonly tiles = new Map<object, Tile>();
  private assigned: readonly { participant: string; source: Source }[] = [];
  private pageVisible = true;
  private told = "";
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `send` rejects when the list did not reach the server. */
  constructor(private readonly send: (tracks: ShownTrack[]) => Promise<void>) {}

  /** A tile has changed, or is gone. `key` is whatever stands for the tile. */
  set(key: object, tile: Tile | null): void {
    if (tile) this.tiles.set(key, tile);
    else this.tiles.delete(key);
    this.later(SETTLE_MS);
  }

  /** Pictures that the server may send; those without a tile are shown nowhere. */
  setAssigned(tracks: readonly { participant: string; source: Source }[]): void {
    this.assigned = tracks.filter((one) => one.source === "camera" || one.source === "screen");
    this.later(SETTLE_MS);
  }

  setPageVisible(visible: boolean): void {
    if (visible === this.pageVisible) return;
    this.pageVisible = visible;
    this.later(0);
  }

  /** The server may have forgotten: a new connection. */
  repeat(): void {
    this.told = "";
    this.later(0);
  }

  close(): void {
    clearTimeout(this.timer);
    this.tiles.clear();
  }

  /** One entry a track: the largest of its tiles counts. */
  list(): ShownTrack[] {
    const shown = new Map<string, ShownTrack>();
    for (const { participant, source } of this.assigned) {
      shown.set(trackKey(participant, source), { participant, source, width: 0, height: 0, visible: false, priority: 0 });
    }
    for (const tile of this.tiles.values()) {
      const one = shown.get(trackKey(tile.participant, tile.source));
      if (!one || !tile.visible || !this.pageVisible || tile.width <= 0 || tile.height <= 0) continue;
      one.visible = true;
      one.width = Math.max(one.width, pixels(tile.width));
      one.height = Math.max(one.height, pixels(tile.height));
      one.priority = Math.max(one.priority, tile.priority);
    }
    return [...shown.values()];
  }

  private later(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.tell(), ms);
  }

  private async tell(): Promise<void> {
    const tracks = this.list();
    const text = JSON.stringify(tracks);
    if (text === this.told) return;
    // Nothing to say before anything is sent here; afterwards an empty list is news.
    if (tracks.length === 0 && this.told === "") return;
    this.told = text;
    try {
      await this.send(tracks);
    } catch {
      if (this.told === text) this.told = "";
      this.later(RETRY_MS);
    }
  }
}

function pixels(value: number): number {
  return Math.min(LARGEST, Math.max(0, Math.round(value)));
}
