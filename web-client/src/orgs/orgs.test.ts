import { describe, expect, it } from "vitest";
import type { ImportJob, OrgCard } from "@/api/orgs";
import { RequestError } from "@/protocol/errors";
import { follow, mayConfirm } from "./importing";
import { dayOf, effectiveUs, emptyTree, rowsOf, stepOf } from "./tree";

const org = (id: string, children: number): OrgCard => ({ id, name: id, kind: "branch", closed: false, children, can_manage: true });

/** R → A → (a1, a2), B; A is open, B was never loaded. */
function tree() {
  const it = emptyTree();
  it.roots = [org("R", 2)];
  it.children.set("R", [org("A", 2), org("B", 1)]);
  it.children.set("A", [org("a1", 0), org("a2", 0)]);
  it.open = new Set(["R", "A"]);
  return it;
}

describe("the tree", () => {
  it("shows what is open, by depth", () => {
    expect(rowsOf(tree()).map((row) => [row.org.id, row.depth])).toEqual([["R", 1], ["A", 2], ["a1", 3], ["a2", 3], ["B", 2]]);
    const closed = tree();
    closed.open.delete("A");
    expect(rowsOf(closed).map((row) => row.org.id)).toEqual(["R", "A", "B"]);
  });

  it("is walked by the keys of every tree", () => {
    const rows = rowsOf(tree());
    const step = (at: string, key: string) => {
      const it = stepOf(rows, at, key);
      return it && `${it.kind} ${it.id}`;
    };
    expect(step("a2", "ArrowDown")).toBe("focus B");
    expect(step("R", "ArrowUp")).toBeNull();
    expect(step("A", "ArrowRight")).toBe("focus a1");
    expect(step("B", "ArrowRight")).toBe("open B");
    expect(step("a1", "ArrowRight")).toBeNull();
    expect(step("A", "ArrowLeft")).toBe("close A");
    expect(step("a2", "ArrowLeft")).toBe("focus A");
    expect(step("a1", "End")).toBe("focus B");
    expect(step("gone", "ArrowDown")).toBeNull();
  });
});

describe("a move", () => {
  it("counts from midnight of its day, and today from now", () => {
    const now = new Date(2026, 10, 22, 9, 30);
    expect(effectiveUs("2026-11-22", now)).toBe(now.getTime() * 1_000);
    expect(effectiveUs("2026-10-01", now)).toBe(new Date(2026, 9, 1).getTime() * 1_000);
    expect(effectiveUs("", now)).toBeNull();
    expect(dayOf(new Date(2026, 0, 5))).toBe("2026-01-05");
  });
});

const job = (state: ImportJob["state"], counts = {}): ImportJob => ({
  id: "j",
  what: "members",
  org_id: "o",
  state,
  rows: 0,
  progress: 0,
  preview: { counts: { new: 0, changed: 0, unchanged: 0, missing: 0, problems: 0, ...counts }, problems: [], examples: [], unknown_columns: [] },
});

describe("an import", () => {
  it("is followed over a gap of the network to its end", async () => {
    const answers: (ImportJob | RequestError)[] = [job("reading"), new RequestError("network", ""), job("ready")];
    const seen: string[] = [];
    const look = async () => {
      const next = answers.shift();
      if (!next || next instanceof RequestError) throw next;
      return next;
    };
    const last = await follow(job("reading"), look, (it) => seen.push(it.state), async () => {});
    expect([last.state, seen]).toEqual(["ready", ["reading", "reading", "ready"]]);
  });

  it("is given up when it is gone, and after too many misses", async () => {
    const gone = async () => { throw new RequestError("not_found", ""); };
    await expect(follow(job("reading"), gone, () => {}, async () => {})).rejects.toThrow(RequestError);
    let asked = 0;
    const away = async () => { asked += 1; throw new RequestError("network", ""); };
    await expect(follow(job("writing"), away, () => {}, async () => {})).rejects.toThrow(RequestError);
    expect(asked).toBe(20);
  });

  it("is confirmed only without errors and with something to change", () => {
    expect(mayConfirm(job("ready", { new: 3 }))).toBe(true);
    expect(mayConfirm(job("ready", { new: 3, problems: 1 }))).toBe(false);
    expect(mayConfirm(job("ready", { unchanged: 9 }))).toBe(false);
    expect(mayConfirm(job("writing", { new: 3 }))).toBe(false);
    expect(mayConfirm(null)).toBe(false);
  });
});
