import { describe, expect, it } from "vitest";
import { fitTiles } from "./fit";

describe("tiles", () => {
  it("always fit the rectangle when they do not scroll", () => {
    for (let count = 1; count <= 60; count += 1) {
      const fit = fitTiles(count, 1_000, 560, 8, 120);
      if (fit.scrolls) continue;
      const rows = Math.ceil(count / fit.columns);
      expect(fit.columns * fit.width + (fit.columns - 1) * 8).toBeLessThanOrEqual(1_000);
      expect(rows * fit.height + (rows - 1) * 8).toBeLessThanOrEqual(560);
    }
  });

  it("scroll rather than become unreadable", () => {
    expect(fitTiles(40, 374, 500, 8, 150)).toMatchObject({ columns: 2, scrolls: true });
  });

  it("are as large as one can be alone", () => {
    expect(fitTiles(1, 1_600, 900, 8, 150)).toEqual({ columns: 1, width: 1_600, height: 900, scrolls: false });
  });

  it("do not divide by an unmeasured rectangle", () => {
    expect(fitTiles(4, 0, 0, 8, 150).width).toBe(0);
  });
});
