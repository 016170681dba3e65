import { describe, expect, it } from "vitest";
import { marks, pieces } from "./strip";

const official = { start_us: 1_000_000_000, end_us: 1_100_000_000, seconds: 100 };

describe("the strip of a meeting's time", () => {
  it("cuts presence to the official time", () => {
    expect(pieces([{ from_us: 990_000_000, to_us: 1_050_000_000, inferred: false }, { from_us: 1_090_000_000, to_us: 1_200_000_000, inferred: true }], official)).toEqual([
      { left: 0, width: 50, inferred: false },
      { left: 90, width: 10, inferred: true },
    ]);
  });

  it("leaves out who was there only before or after", () => {
    expect(pieces([{ from_us: 0, to_us: 1_000_000_000, inferred: false }], official)).toEqual([]);
  });

  it("has a handful of round marks", () => {
    expect(marks({ start_us: 0, end_us: 5_400_000_000, seconds: 5_400 }).length).toBeLessThanOrEqual(7);
    expect(marks({ start_us: 0, end_us: 0, seconds: 0 })).toEqual([0]);
  });
});
