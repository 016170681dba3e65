/** Attendance over HTTP: types of docs/API.md by hand, like `http.ts`. */
import type { Counts, MemberClass } from "@/protocol/generated/protocol";
import type { JoinGrant } from "./http";

export type LeaveKind = "official" | "illness" | "other";
export const LEAVE_KINDS: readonly LeaveKind[] = ["official", "illness", "other"];

export interface LeaveRequest {
  person_id: string;
  name: string;
  kind: LeaveKind;
  reason: string;
  state: "asked" | "granted" | "denied" | "withdrawn";
  asked_us: number;
  late: boolean;
  decided_by?: string;
  decided_us?: number;
  decision?: string;
  can_decide: boolean;
}

export interface KnownSite {
  id: string;
  proof: string;
}

export interface SiteGrant extends JoinGrant {
  site: KnownSite;
}

export interface ListedPerson {
  person_id: string;
  name: string;
  class: MemberClass;
  group_name?: string;
  voter: boolean;
  due: boolean;
  state: "online" | "on_site" | "both" | "leave" | "absent";
  leave_kind?: string;
  checkin?: { site: string; method: "qr" | "list" | "card"; reason?: string; confirmed: boolean; at_us: number };
  answered?: boolean;
}

export interface AttendanceList {
  counts: Counts;
  people: ListedPerson[];
  sites: { id: string; name: string; expected?: number; online: boolean; checked_in: number }[];
  rollcall: { number: number; auto: boolean; running: boolean; until_us: number; asked: number; answered: number } | null;
  rollcalls_planned: number;
  waiting: { person_id: string; name: string; org_name: string; since_us: number }[];
}

export type Change =
  | { what: "roster_add" | "roster_remove" | "exempt" | "include" | "not_on_leave"; person: string }
  | { what: "was_present" | "was_absent"; person: string; from_us: number; to_us: number }
  | { what: "on_leave"; person: string; kind: LeaveKind; reason: string };

export interface Knocked {
  state: "none" | "waiting" | "admitted" | "refused";
  title: string;
  org_name: string;
}
