import { describe, expect, it } from "vitest";
import { judge, read, type Reading } from "./network";

const PAIR = { id: "P", type: "candidate-pair", localCandidateId: "L", currentRoundTripTime: 0.023, nominated: true, state: "succeeded" };
const LOCAL = { id: "L", type: "local-candidate", candidateType: "host", protocol: "udp" };
const TRANSPORT = { id: "T", type: "transport", selectedCandidatePairId: "P" };
const reading = (part: Partial<Reading>): Reading => ({ path: "direct", rttMs: 20, received: 0, lost: 0, sentLost: 0, ...part });

describe("reading the statistics", () => {
  it("takes the selected pair, its path and round trip", () => {
    expect(read([TRANSPORT, PAIR, LOCAL])).toEqual(reading({ rttMs: 23 }));
    expect(read([PAIR, { ...LOCAL, candidateType: "relay" }])?.path).toBe("relay");
    expect(read([PAIR, { ...LOCAL, protocol: "tcp" }])?.path).toBe("tcp");
  });

  it("knows nothing before a pair is selected", () => {
    expect(read([LOCAL, { ...PAIR, nominated: false }])).toBeNull();
  });

  it("adds up what all streams received and lost", () => {
    const stats = [
      TRANSPORT, PAIR, LOCAL,
      { id: "a", type: "inbound-rtp", packetsReceived: 90, packetsLost: 1 },
      { id: "b", type: "inbound-rtp", packetsReceived: 10, packetsLost: 2 },
      { id: "c", type: "remote-inbound-rtp", fractionLost: 0.04 },
    ];
    expect(read(stats)).toMatchObject({ received: 100, lost: 3, sentLost: 0.04 });
  });
});

describe("judging them", () => {
  it("is about the time between two readings, not the whole meeting", () => {
    const before = reading({ received: 1_000, lost: 500 });
    expect(judge(before, reading({ received: 1_100, lost: 500 }))).toMatchObject({ grade: "good", loss: 0 });
    expect(judge(before, reading({ received: 1_095, lost: 505 })).grade).toBe("fair");
    expect(judge(before, reading({ received: 1_080, lost: 520 })).grade).toBe("poor");
  });

  it("does not call a handful of packets a rate, nor a falling count a loss", () => {
    expect(judge(null, reading({ received: 5, lost: 5 })).grade).toBe("good");
    expect(judge(reading({ lost: 9 }), reading({ received: 50, lost: 7 })).loss).toBe(0);
  });

  it("counts delay and the way up too", () => {
    expect(judge(null, reading({ rttMs: 250 })).grade).toBe("fair");
    expect(judge(null, reading({ rttMs: 450 })).grade).toBe("poor");
    expect(judge(null, reading({ rttMs: null })).grade).toBe("good");
    expect(judge(null, reading({ sentLost: 0.1 })).grade).toBe("poor");
  });
});
