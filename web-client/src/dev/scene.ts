/** An invented branch for the gallery: names, a running session, an archive. */
import type { Archive, AttendanceRow, AttendanceStatus, Me, RosterPerson, SessionCard, SessionDetail } from "@/api/http";
import type { ParticipantView, SessionSnapshot } from "@/protocol/generated/protocol";

const NAMES = ["陈志强", "李秀英", "王建国", "赵敏", "刘洋", "孙桂兰", "周磊", "吴晓燕", "郑海涛", "冯雪", "何建军", "许婷", "高翔", "罗梅"];
const DAY = Date.UTC(2026, 10, 21, 11, 0) * 1_000;
const MIN = 60_000_000;
export const START_US = DAY;
const id = (at: number) => `p${at}`;

export const people: RosterPerson[] = NAMES.map((name, at) => ({
  person_id: id(at),
  name,
  class: at === 9 || at === 11 ? "probationary" : "full",
  group_name: at < 7 ? "第一党小组" : "第二党小组",
  voter: at !== 9 && at !== 11,
}));

export const me = (query: URLSearchParams): Me => ({
  account_id: "a0",
  person_id: query.get("as") === "observer" ? "o1" : id(Number(query.get("me") ?? 0)),
  name: query.get("as") === "observer" ? "林督导" : (NAMES[Number(query.get("me") ?? 0)] ?? "陈志强"),
  org_id: "b1",
  org_name: "红旗社区第一党支部",
  large_type: query.has("large"),
  must_change_password: query.has("force"),
  roles: [{ org_id: "b1", org_name: "红旗社区第一党支部", role: "secretary" }],
  can_create: query.get("as") === "member" ? [] : ["b1"],
  can_observe: query.get("as") === "observer",
});

const card = (part: Partial<SessionCard>): SessionCard => ({
  id: "s1",
  kind: "branch_assembly",
  title: "第四季度支部党员大会",
  org_id: "b1",
  org_name: "红旗社区第一党支部",
  state: "declared_open",
  planned_start_us: DAY,
  counts: { due: 14, present: 11, due_voters: 12, present_voters: 10, leave: 1, absent: 2, observers: 1 },
  my_role: "chair",
  recording: null,
  ...part,
});

export const mine: SessionCard[] = [
  card({}),
  card({ id: "s2", kind: "party_lecture", title: "学习党的二十届四中全会精神", state: "planned", planned_start_us: DAY + 3 * 86_400_000_000, counts: null, my_role: "member" }),
  card({ id: "s3", kind: "theme_day", title: "十月主题党日：社区志愿服务总结", state: "archived", planned_start_us: DAY - 25 * 86_400_000_000, my_role: "member" }),
  card({ id: "s4", kind: "group_meeting", title: "第一党小组会", state: "declared_closed", planned_start_us: DAY - 40 * 86_400_000_000, my_role: "recorder" }),
];

export const subtree: SessionCard[] = [
  card({ id: "s1", my_role: null }),
  card({ id: "s8", title: "十一月支部委员会会议", kind: "branch_committee", org_name: "滨河社区第二党支部", my_role: null, counts: { due: 5, present: 4, due_voters: 5, present_voters: 4, leave: 0, absent: 1, observers: 0 } }),
];

export const AGENDA = [{ title: "听取第四季度支部工作报告" }, { title: "讨论发展对象" }, { title: "学习党员教育管理工作条例" }, { title: "其他事项" }];

export const detail = (part: Partial<SessionDetail>): SessionDetail => ({
  ...card({}),
  agenda: AGENDA,
  roster: people,
  chair: { person_id: id(0), name: NAMES[0] ?? "" },
  recorder: { person_id: id(3), name: NAMES[3] ?? "" },
  policy: { late_after_s: 600, early_before_s: 600, min_ratio_permille: 800, bridge_s: 60 },
  join_url: `${location.origin}/s/s1`,
  can: { open: true, join: true, observe: false, archive: true, edit: true },
  ...part,
});

export function participants(count: number, withObserver: boolean): ParticipantView[] {
  const list: ParticipantView[] = NAMES.slice(0, count).map((name, at) => ({
    id: id(at),
    name,
    role: at === 0 ? "chair" : at === 3 ? "recorder" : "member",
    org_name: "红旗社区第一党支部",
    class: people[at]?.class ?? undefined,
    online: at !== 8,
    devices: 1,
    mic: at % 3 !== 1,
    cam: at % 4 !== 2,
    screen: false,
    hand: at === 4,
    consent: at !== 5,
    quality: at === 2 ? "poor" : at === 6 ? "fair" : at === 8 ? undefined : "good",
    since_us: DAY - (20 - at) * MIN,
  }));
  if (withObserver) {
    list.push({ id: "o1", name: "林督导", role: "observer", org_name: "红旗街道党工委", online: true, devices: 1, mic: false, cam: false, screen: false, hand: false, consent: true, since_us: DAY });
  }
  return list;
}

export function snapshot(query: URLSearchParams): SessionSnapshot {
  const count = Number(query.get("people") ?? 11);
  const list = participants(count, query.get("observer") !== "0");
  if (query.has("share")) list[1] = { ...(list[1] as ParticipantView), screen: true };
  return {
    id: "s1",
    kind: "branch_assembly",
    title: "第四季度支部党员大会",
    org_name: "红旗社区第一党支部",
    state: query.get("state") === "opened" ? "opened" : "declared_open",
    planned_start_us: DAY,
    declared_open_us: DAY + MIN,
    agenda: AGENDA,
    agenda_index: query.get("state") === "opened" ? undefined : 1,
    participants: list,
    counts: { due: 14, present: Math.max(1, count - 1), due_voters: 12, present_voters: Math.max(1, count - 2), leave: 1, absent: 2, observers: 1, quorum: { count: Math.max(1, count - 2), base: 12, needed: 6, met: count > 7 } },
    recording: query.get("state") === "opened" ? { state: "off" } : { state: "on", safe_us: DAY + 42 * MIN + 8_000_000 },
    records_away: query.has("away"),
    chair: query.has("lost") ? undefined : id(Number(query.get("chair") ?? 0)),
    speaker: id(1),
    ballots: { ballots: [], opinions: [], kinds: [] },
    chat: [
      { id: "c1", participant: id(4), name: NAMES[4] ?? "", text: "收到会议材料了。", at_us: DAY + 3 * MIN },
      { id: "c2", participant: id(1), name: NAMES[1] ?? "", text: "大家可以看第三页，发展对象的基本情况和考察意见都在里面。", at_us: DAY + 12 * MIN },
      { id: "c3", participant: id(0), name: NAMES[0] ?? "", text: "请各位党员依次发言。", at_us: DAY + 13 * MIN },
    ],
  };
}

const STATUSES: AttendanceStatus[] = ["present", "present", "late", "present", "early", "present", "partial", "present", "leave", "present", "absent", "present", "present", "late_early"];

export function archive(query: URLSearchParams): Archive {
  const official = { start_us: DAY + MIN, end_us: DAY + 91 * MIN, seconds: 5_400 };
  const rows: AttendanceRow[] = STATUSES.map((status, at) => {
    const late = status.includes("late") ? 14 * MIN : 0;
    const early = status.includes("early") ? 20 * MIN : 0;
    const away = status === "leave" || status === "absent";
    const cut = status === "partial" ? 35 * MIN : 0;
    const intervals = away
      ? []
      : cut
        ? [{ from_us: official.start_us, to_us: official.start_us + 30 * MIN, inferred: false }, { from_us: official.start_us + 30 * MIN + cut, to_us: official.end_us, inferred: true }]
        : [{ from_us: official.start_us + late, to_us: official.end_us - early, inferred: false }];
    const effective = intervals.reduce((sum, one) => sum + (one.to_us - one.from_us) / 1_000_000, 0);
    return {
      person_id: id(at), name: NAMES[at] ?? "", org_name: "红旗社区第一党支部", class: people[at]?.class, due: true, voter: people[at]?.voter ?? true, status,
      first_join_us: away ? null : official.start_us + late - (late ? 0 : 5 * MIN), last_leave_us: away ? null : official.end_us - early,
      join_count: away ? 0 : cut ? 2 : 1, devices: away ? 0 : 1, raw_s: effective, effective_s: effective, ratio_permille: Math.round((effective / 5_400) * 1_000),
      late_s: late / 1_000_000, early_s: early / 1_000_000, intervals,
    };
  });
  rows.push({ ...(rows[0] as AttendanceRow), person_id: "o1", name: "林督导", org_name: "红旗街道党工委", class: null, due: false, voter: false, status: "observer" });
  const render = query.get("render");
  return {
    session: detail({ state: "archived" }),
    official,
    render: render === "running" ? { state: "running", stage: "compose", progress: 437, attempts: 1 } : render === "failed" ? { state: "failed", progress: 0, attempts: 3 } : { state: "done", progress: 1_000, attempts: 1 },
    video: render ? null : { url: "/media/s1/recording.mp4", duration_us: 5_400_000_000, bytes: 900_000_000, poster_url: null },
    attendance: { session_id: "s1", policy: detail({}).policy, official, totals: { due: 14, present: 12, voters_due: 12, voters_present: 10, late: 1, early: 1, partial: 1, leave: 1, absent: 1, observers: 1, rate_permille: 857, effective_permille: 786 }, people: rows },
    chat: snapshot(query).chat,
    journal: query.has("broken")
      ? { events: 213, head_hash: "7c1f", verified: false, signed: true, first_bad_seq: 57 }
      : { events: 213, head_hash: "7c1f0e5a93b24d6c8e1f0a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f", verified: true, signed: true },
  };
}
