import { describe, expect, it } from "vitest";
import type { Statistics } from "@/api/http";
import { rows, strip } from "./quality";

const person = (participant: string, grade: "good" | "fair" | "poor" | null, loss = 0): Statistics["participants"][number] => ({
  participant, endpoint: `${participant}-e`, grade, connected: true, path: "udp", rtt_ms: 20, loss_permille: loss, jitter_ms: 0, frozen_permille: 0,
});
const point = (good: number, fair: number, poor: number) => ({ at_us: 0, in_bps: 0, out_bps: 0, loss_permille: 0, good, fair, poor });

describe("the panel of meeting quality", () => {
  it("puts weak lines first and leaves out who has gone", () => {
    const participants = [person("a", "good"), person("b", "poor"), person("c", null), person("d", "fair", 5), person("e", "fair", 40), person("gone", "poor")];
    const statistics = { participants, history: [] } as unknown as Statistics;
    const list = rows(statistics, (id) => (id === "gone" ? "" : id.toUpperCase()));
    expect(list.map((one) => one.name)).toEqual(["B", "E", "D", "A", "C"]);
  });

  it("draws five minutes in sixty columns and hides no bad moment", () => {
    const history = Array.from({ length: 150 }, (_, at) => (at === 76 ? point(0, 1, 3) : point(4, 0, 0)));
    const columns = strip(history);
    expect(columns.length).toBe(50);
    expect(columns[25]).toEqual({ poor: 0.75, fair: 0.25 });
    expect(columns.filter((one) => one.poor > 0).length).toBe(1);
    expect(strip([])).toEqual([]);
  });
});
