/** What the panel of meeting quality draws, from the server's figures. */
import type { Statistics } from "@/api/http";
import type { Grade } from "@/protocol/generated/protocol";

export interface QualityRow {
  endpoint: string;
  name: string;
  grade: Grade | null;
  path: "udp" | "tcp" | "turn" | null;
  rttMs: number | null;
  lossPermille: number;
}

const ORDER = { poor: 0, fair: 1, good: 2 };
/** Columns of the strip; each stands for the worst of its samples. */
const COLUMNS = 60;

/** Weak lines first; who is not in the list of people any more is left out. */
export function rows(statistics: Statistics, nameOf: (participant: string) => string): QualityRow[] {
  return statistics.participants
    .map((one) => ({ endpoint: one.endpoint, name: nameOf(one.participant), grade: one.grade, path: one.path, rttMs: one.rtt_ms, lossPermille: one.loss_permille }))
    .filter((one) => one.name !== "")
    .sort((a, b) => rank(a.grade) - rank(b.grade) || b.lossPermille - a.lossPermille);
}

const rank = (grade: Grade | null) => (grade ? ORDER[grade] : 3);

/** Shares of the devices that were poor and fair, oldest first. */
export function strip(history: Statistics["history"]): { poor: number; fair: number }[] {
  const each = Math.max(1, Math.ceil(history.length / COLUMNS));
  const out = [];
  for (let from = 0; from < history.length; from += each) {
    let worst = { poor: 0, fair: 0 };
    for (const point of history.slice(from, from + each)) {
      const all = Math.max(1, point.good + point.fair + point.poor);
      const here = { poor: point.poor / all, fair: point.fair / all };
      if (here.poor * 2 + here.fair >= worst.poor * 2 + worst.fair) worst = here;
    }
    out.push(worst);
  }
  return out;
}
