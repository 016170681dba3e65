/**
 * How good the media path is, in three grades, from two readings of `getStats`: the selected
 * candidate pair (path, round trip) and what was lost in between.
 */
export type Grade = "good" | "fair" | "poor";
export type Path = "direct" | "tcp" | "relay";

export interface Reading {
  path: Path;
  /** Round trip of the selected pair in ms; unknown before the first check. */
  rttMs: number | null;
  received: number;
  lost: number;
  /** Worst share of what this page sends that the server reports as lost, 0–1. */
  sentLost: number;
}

export interface Quality {
  grade: Grade;
  path: Path;
  rttMs: number | null;
  /** Worse of both directions, 0–1. */
  loss: number;
}

type Stat = Record<string, unknown>;

/** Talk suffers above these (ITU-T G.114: 150 ms one way is fine, above 400 ms is not). */
const FAIR_RTT_MS = 200;
const POOR_RTT_MS = 400;
const FAIR_LOSS = 0.02;
const POOR_LOSS = 0.08;
/** Fewer packets than this say nothing about a rate. */
const ENOUGH_PACKETS = 20;

const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);

/** Null while no pair is selected. */
export function read(reports: readonly Stat[]): Reading | null {
  const byId = new Map(reports.map((one) => [one.id, one]));
  const transport = reports.find((one) => one.type === "transport" && one.selectedCandidatePairId);
  const pair =
    byId.get(transport?.selectedCandidatePairId) ??
    // Firefox names no pair in the transport.
    reports.find((one) => one.type === "candidate-pair" && one.nominated === true && one.state === "succeeded");
  if (!pair) return null;
  const local = byId.get(pair.localCandidateId);
  let received = 0;
  let lost = 0;
  let sentLost = 0;
  for (const one of reports) {
    if (one.type === "inbound-rtp") {
      received += number(one.packetsReceived);
      lost += number(one.packetsLost);
    } else if (one.type === "remote-inbound-rtp") {
      sentLost = Math.max(sentLost, number(one.fractionLost));
    }
  }
  const path: Path = local?.candidateType === "relay" ? "relay" : local?.protocol === "tcp" ? "tcp" : "direct";
  const rtt = pair.currentRoundTripTime;
  return { path, rttMs: typeof rtt === "number" ? Math.round(rtt * 1_000) : null, received, lost, sentLost };
}

export function judge(before: Reading | null, now: Reading): Quality {
  const received = now.received - (before?.received ?? 0);
  // Late duplicates make the sum fall: that is no loss.
  const lost = Math.max(0, now.lost - (before?.lost ?? 0));
  const here = received + lost >= ENOUGH_PACKETS ? lost / (received + lost) : 0;
  const loss = Math.min(1, Math.max(here, now.sentLost));
  const rtt = now.rttMs ?? 0;
  const grade: Grade =
    rtt > POOR_RTT_MS || loss > POOR_LOSS ? "poor" : rtt > FAIR_RTT_MS || loss > FAIR_LOSS ? "fair" : "good";
  return { grade, path: now.path, rttMs: now.rttMs, loss };
}
