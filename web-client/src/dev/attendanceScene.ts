/** Invented attendance for the development pages. */
import type { AttendanceList, LeaveRequest } from "@/api/attendance";
import type { RollcallView, SiteView } from "@/protocol/generated/protocol";
import * as scene from "./scene";

const S1 = "site1";

export function list(): AttendanceList {
  const states = ["online", "online", "on_site", "on_site", "both", "leave", "absent", "on_site"] as const;
  return {
    counts: { due: 14, present: 11, due_voters: 12, present_voters: 10, leave: 1, absent: 2, observers: 1, quorum: { count: 10, base: 12, needed: 6, met: true } },
    people: scene.people.map((one, at) => {
      const state = states[at % states.length] ?? "online";
      return {
        person_id: one.person_id,
        name: one.name,
        class: one.class ?? "full",
        voter: one.voter ?? true,
        due: at !== 8,
        state,
        answered: at % 3 !== 2,
        ...(state === "absent" ? { checkin: { site: S1, method: "list" as const, reason: "无手机", confirmed: false, at_us: scene.START_US } } : {}),
      };
    }),
    sites: [{ id: S1, name: "三楼会议室", expected: 46, online: true, checked_in: 31 }],
    rollcall: { number: 2, auto: false, running: true, until_us: Date.now() * 1_000 + 45_000_000, asked: 11, answered: 8 },
    rollcalls_planned: 0,
    waiting: [{ person_id: "w1", name: "周文斌", org_name: "滨河社区第二党支部", since_us: scene.START_US }],
  };
}

export function leave(): LeaveRequest[] {
  const ask = { kind: "illness" as const, reason: "住院手术", asked_us: scene.START_US - 3_600_000_000, late: false };
  return [
    { ...ask, person_id: "p5", name: scene.people[5]?.name ?? "", state: "asked", can_decide: true },
    { ...ask, person_id: "p6", name: scene.people[6]?.name ?? "", kind: "official", reason: "到省里参加培训", state: "granted", can_decide: false },
  ];
}

export const rollcall = (): RollcallView => ({ number: 2, until_us: Date.now() * 1_000 + 52_000_000, asked: 11, answered: 8, asks_me: true, i_answered: false });

export const site = (): SiteView => ({ id: S1, name: "三楼会议室", expected: 46, checked_in: 31, code: "AZ8x.431.k3yT", code_until_us: Date.now() * 1_000 + 14_000_000 });

/** Stands for a code; it leads nowhere. */
export const CODE = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 21 21"><path d="M0 0h7v7H0zM14 0h7v7h-7zM0 14h7v7H0zM9 2h2v3H9zM9 9h4v4H9zM15 10h3v2h-3zM10 16h6v3h-6z"/></svg>')}`;
