import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ShownTrack } from "@/protocol/generated/protocol";
import { Views, type Tile } from "./views";

let sent: ShownTrack[][];
let works: boolean;
let views: Views;

const zhao = { participant: "zhao", source: "camera" } as const;
const tile = (part: Partial<Tile> = {}): Tile => ({ ...zhao, width: 320, height: 180, visible: true, priority: 1, ...part });

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  works = true;
  views = new Views(async (tracks) => {
    if (!works) throw new Error("line is down");
    sent.push(tracks);
  });
});
afterEach(() => vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(200);

describe("what is shown", () => {
  it("is told once when it has settled, and again when it changes", async () => {
    views.setAssigned([zhao, { participant: "zhao", source: "microphone" }]);
    const key = {};
    for (const width of [100, 200, 320]) {
      views.set(key, tile({ width }));
      await vi.advanceTimersByTimeAsync(50);
    }
    await settle();
    expect(sent).toEqual([[{ ...zhao, width: 320, height: 180, visible: true, priority: 1 }]]);
    views.set(key, tile());
    await settle();
    expect(sent).toHaveLength(1);
    views.set(key, tile({ width: 640, height: 360 }));
    await settle();
    expect(sent[1]?.[0]).toMatchObject({ width: 640, height: 360 });
  });

  it("is nothing for a track without a tile, a tile out of sight, and a hidden page", async () => {
    views.setAssigned([zhao]);
    await settle();
    expect(sent[0]?.[0]?.visible).toBe(false);
    const key = {};
    views.set(key, tile({ visible: false }));
    await settle();
    expect(sent).toHaveLength(1);
    views.set(key, tile());
    await settle();
    expect(sent[1]?.[0]?.visible).toBe(true);
    views.setPageVisible(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(sent[2]?.[0]?.visible).toBe(false);
    views.setPageVisible(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(sent[3]?.[0]?.visible).toBe(true);
  });

  it("is the largest of several tiles of one track", async () => {
    views.setAssigned([zhao]);
    views.set({}, tile({ width: 900, height: 500, priority: 2 }));
    views.set({}, tile({ width: 200, height: 112, priority: 0 }));
    await settle();
    expect(sent).toEqual([[{ ...zhao, width: 900, height: 500, visible: true, priority: 2 }]]);
  });

  it("is told again when the server may have forgotten, and when it did not arrive", async () => {
    views.setAssigned([zhao]);
    views.set({}, tile());
    works = false;
    await settle();
    works = true;
    await vi.advanceTimersByTimeAsync(1_100);
    expect(sent).toHaveLength(1);
    views.repeat();
    await settle();
    expect(sent).toHaveLength(2);
  });
});
