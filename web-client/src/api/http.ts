/** Types of docs/API.md, by hand until the server publishes an OpenAPI document. */
import type { ChatMessage, Counts, Grade, MemberClass, RecordingView, Role, SessionState } from "@/protocol/generated/protocol";

export interface OrgRole {
  org_id: string;
  org_name: string;
  role: string;
}

export interface Me {
  account_id: string;
  person_id: string;
  name: string;
  org_id: string;
  org_name: string;
  large_type: boolean;
  must_change_password: boolean;
  roles: OrgRole[];
  can_create: string[];
  can_observe: boolean;
  /** Sees the page of organisations and members. */
  can_view_orgs?: boolean;
}

export interface SessionCard {
  id: string;
  kind: string;
  title: string;
  org_id: string;
  org_name: string;
  state: SessionState;
  planned_start_us: number;
  declared_open_us?: number | null;
  declared_closed_us?: number | null;
  counts?: Counts | null;
  my_role?: Role | null;
  /** Of a meeting that is over. */
  minutes?: { state: "draft" | "recorder_submitted" | "chair_confirmed" | "sealed"; overdue: boolean } | null;
  /** A view of the recording, or whether there is one. */
  recording?: RecordingView | RecordingView["state"] | boolean | null;
}

export interface RosterPerson {
  person_id: string;
  name: string;
  class?: MemberClass | null;
  group_name?: string | null;
  voter?: boolean;
}

export interface PersonRef {
  person_id: string;
  name: string;
}

export interface Policy {
  late_after_s: number;
  early_before_s: number;
  min_ratio_permille: number;
  bridge_s: number;
}

export interface SessionDetail extends SessionCard {
  agenda: { title: string }[];
  roster: RosterPerson[];
  chair?: PersonRef | string | null;
  recorder?: PersonRef | string | null;
  policy: Policy;
  join_url: string;
  can: { open: boolean; join: boolean; observe: boolean; archive: boolean; edit: boolean };
}

export interface NewSession {
  org_id: string;
  kind: string;
  title: string;
  planned_start_us: number;
  duration_min: number;
  agenda: { title: string }[];
  chair?: string;
  recorder?: string;
}

export interface JoinGrant {
  token: string;
  role: Role;
  ws_path: string;
  expires_us: number;
  session: SessionCard;
  recording_notice: boolean;
  /** Our own TURN server. `expires_us`: when the credential and what it relays end. */
  ice_servers: { urls: string[]; username: string; credential: string; expires_us: number }[];
}

export type AttendanceStatus =
  | "present"
  | "late"
  | "early"
  | "late_early"
  | "partial"
  | "leave"
  | "absent"
  | "observer"
  | "exempt";

export interface Interval {
  from_us: number;
  to_us: number;
  inferred: boolean;
}

export interface AttendanceRow {
  person_id: string;
  name: string;
  org_name: string;
  group_name?: string | null;
  class?: MemberClass | null;
  due: boolean;
  voter: boolean;
  status: AttendanceStatus;
  first_join_us?: number | null;
  last_leave_us?: number | null;
  join_count: number;
  devices: number;
  raw_s: number;
  effective_s: number;
  ratio_permille: number;
  late_s: number;
  early_s: number;
  mode?: "online" | "on_site" | "mixed";
  sites?: string[];
  rollcalls_asked?: number;
  rollcalls_answered?: number;
  leave?: { kind: string; reason: string; late: boolean };
  unconfirmed?: boolean;
  corrections?: number[];
  status_before?: AttendanceStatus;
  intervals: Interval[];
}

export interface Official {
  start_us: number;
  end_us: number;
  seconds: number;
}

export interface AttendanceReport {
  session_id: string;
  policy: Policy;
  official: Official;
  totals: {
    due: number;
    present: number;
    voters_due: number;
    voters_present: number;
    late: number;
    early: number;
    partial: number;
    leave: number;
    absent: number;
    observers: number;
    rate_permille: number;
    effective_permille: number;
  };
  people: AttendanceRow[];
}

export interface Render {
  state: "none" | "waiting" | "running" | "done" | "failed";
  stage?: string | null;
  progress: number;
  message?: string | null;
  attempts: number;
}

export interface JournalState {
  events: number;
  head_hash: string;
  verified: boolean;
  signed: boolean;
  first_bad_seq?: number | null;
}

export interface Archive {
  session: SessionDetail;
  official?: Official | null;
  render: Render;
  video?: { url: string; duration_us: number; bytes: number; poster_url?: string | null } | null;
  attendance?: AttendanceReport | null;
  chat: ChatMessage[];
  journal: JournalState;
}

export interface JournalEvent {
  seq: number;
  at_us: number;
  mono_us: number;
  /** `system` or a person's id. */
  actor: string;
  event: { type: string; person?: string; index?: number } & Record<string, unknown>;
}

/** Media statistics of a running room, sampled every two seconds. */
export interface Statistics {
  at_us: number;
  interval_ms: number;
  participants: {
    participant: string;
    endpoint: string;
    grade: Grade | null;
    connected: boolean;
    path: "udp" | "tcp" | "turn" | null;
    rtt_ms: number | null;
    loss_permille: number;
    jitter_ms: number;
    frozen_permille: number;
  }[];
  /** The whole room, oldest first. */
  history: { at_us: number; in_bps: number; out_bps: number; loss_permille: number; good: number; fair: number; poor: number }[];
}

/** The rules of my organisation, for the calculator. */
export interface RulesOfMine {
  version: number;
  kinds: {
    kind: string;
    words: string;
    basis: string;
    quorum: string | null;
    pass: string | null;
    elect: string | null;
    methods: string[];
    default_method: string | null;
    grades: string[];
    outcomes: string[];
    one_by_one: boolean;
    written_opinions: boolean;
  }[];
}

interface AppliedShare {
  rule: string;
  base: number;
  count: number;
  needed: number;
  met: boolean;
}

/** A decision, or what cannot be decided (docs/RULES.md). */
export interface RulesAnswer {
  refused?: { code: string };
  words?: string;
  outcome?: string;
  quorum?: AppliedShare | null;
  majority?: AppliedShare | null;
  reasons?: { code: string; words: string }[];
  warnings?: { code: string; words: string }[];
}
