/** Positions on the strip of a meeting's time, in percent of its official length. */
import type { Interval, Official } from "@/api/http";

export interface Piece {
  left: number;
  width: number;
  inferred: boolean;
}

export function pieces(intervals: readonly Interval[], official: Official): Piece[] {
  const length = official.end_us - official.start_us;
  if (length <= 0) return [];
  return intervals.flatMap((one) => {
    const from = Math.max(one.from_us, official.start_us);
    const to = Math.min(one.to_us, official.end_us);
    if (to <= from) return [];
    return [{ left: ((from - official.start_us) / length) * 100, width: ((to - from) / length) * 100, inferred: one.inferred }];
  });
}

/** A handful of round marks under the strip. */
export function marks(official: Official): number[] {
  const steps = [60, 300, 600, 900, 1_800, 3_600];
  const seconds = (official.end_us - official.start_us) / 1_000_000;
  const step = (steps.find((one) => seconds / one <= 6) ?? 7_200) * 1_000_000;
  const list: number[] = [];
  for (let at = Math.ceil(official.start_us / step) * step; at <= official.end_us; at += step) list.push(at);
  return list;
}
