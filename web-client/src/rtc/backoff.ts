/**
 * Pauses before each attempt to reconnect: at once, then 0.5, 1 and steadily 2 seconds.
 * They never grow beyond that: a server that restarts is back within 5 s, and so are its pages.
 */
const PAUSES_MS = [0, 500, 1_000, 2_000];

export function pauseBefore(attempt: number): number {
  return PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 2_000;
}
