/** The one place that calls `fetch`. Errors are problem+json with the codes of the wire protocol. */
import type { ErrorCode, Scan } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import type { AttendanceList, Change, KnownSite, Knocked, LeaveKind, LeaveRequest, SiteGrant } from "./attendance";
import type { Minutes, MinutesVersion, Signature } from "./minutes";
import type {
  Archive,
  JoinGrant,
  JournalEvent,
  Me,
  NewSession,
  RosterPerson,
  RulesAnswer,
  RulesOfMine,
  SessionCard,
  SessionDetail,
  Statistics,
} from "./http";

const TIMEOUT_MS = 15_000;
const ROUND_TRIP_MS = 5_000;

interface Problem {
  code?: ErrorCode;
  detail?: string;
  title?: string;
  retry_after_ms?: number | null;
}

const BY_STATUS: Record<number, ErrorCode> = {
  400: "bad_request",
  401: "not_authenticated",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  413: "too_large",
  422: "validation",
  429: "rate_limited",
  503: "overloaded",
};

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": body instanceof Blob ? "application/octet-stream" : "application/json" }) },
      body: body === undefined ? undefined : body instanceof Blob ? body : JSON.stringify(body),
      signal: stop.signal,
    });
  } catch {
    throw new RequestError(stop.signal.aborted ? "timeout" : "network", "");
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 204) return undefined as T;
  const json: unknown = await response.json().catch(() => undefined);
  if (response.ok) return json as T;
  throw refusal(response.status, json);
}

/** What problem+json says, or what the status says when it does not. */
export function refusal(status: number, json: unknown): RequestError {
  const problem = (json ?? {}) as Problem;
  return new RequestError(
    problem.code ?? BY_STATUS[status] ?? "internal",
    problem.detail ?? problem.title ?? "",
    problem.retry_after_ms ?? undefined,
  );
}

/** Milliseconds of one small exchange with the server; null when it does not answer. */
async function roundTrip(): Promise<number | null> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ROUND_TRIP_MS);
  const from = performance.now();
  try {
    await fetch("/livez", { cache: "no-store", signal: stop.signal });
    return performance.now() - from;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

const get = <T>(path: string) => call<T>("GET", path);
const list = <T>(path: string) => get<{ items: T[] }>(path).then((answer) => answer.items);
const id = encodeURIComponent;

export const api = {
  roundTrip,
  login: (login: string, password: string) => call<Me>("POST", "/api/login", { login, password }),
  logout: () => call<void>("POST", "/api/logout"),
  logoutEverywhere: () => call<void>("POST", "/api/logout-everywhere"),
  password: (old: string, fresh: string) => call<void>("POST", "/api/password", { old, new: fresh }),
  me: () => get<Me>("/api/me"),
  preferences: (largeType: boolean) => call<Me>("PUT", "/api/me/preferences", { large_type: largeType }),
  sessions: (scope: "mine" | "subtree") => list<SessionCard>(`/api/sessions?scope=${scope}`),
  createSession: (session: NewSession) => call<SessionDetail>("POST", "/api/sessions", session),
  session: (session: string) => get<SessionDetail>(`/api/sessions/${id(session)}`),
  openSession: (session: string) => call<SessionDetail>("POST", `/api/sessions/${id(session)}/open`),
  cancelSession: (session: string, reason: string) =>
    call<SessionDetail>("POST", `/api/sessions/${id(session)}/cancel`, { reason }),
  join: (session: string) => call<JoinGrant>("POST", `/api/sessions/${id(session)}/join`),
  statistics: (session: string) => get<Statistics>(`/api/sessions/${id(session)}/stats`),
  people: (org: string, kind: string) => list<RosterPerson>(`/api/people?org_id=${id(org)}&kind=${id(kind)}`),
  archive: (session: string) => get<Archive>(`/api/archive/${id(session)}`),
  journal: (session: string, after: number, limit: number) =>
    list<JournalEvent>(`/api/archive/${id(session)}/journal?after=${after}&limit=${limit}`),
  papers: (session: string, ballot: string) => list<{ id: string }>(`/api/sessions/${id(session)}/ballots/${id(ballot)}/papers`),
  uploadScan: (session: string, file: File) => call<Scan>("POST", `/api/sessions/${id(session)}/scans`, file),
  rules: () => get<RulesOfMine>("/api/rules"),
  decide: (figures: object) => call<RulesAnswer>("POST", "/api/rules/decide", figures),
  render: (session: string) => call<void>("POST", `/api/archive/${id(session)}/render`),
  openSite: (session: string, name: string, expected: number | null, site: KnownSite | null) =>
    call<SiteGrant>("POST", `/api/sessions/${id(session)}/site`, {
      name,
      ...(expected === null ? {} : { expected }),
      ...(site === null ? {} : { site }),
    }),
  siteCode: (session: string, code: string) => `/api/sessions/${id(session)}/checkin.svg?code=${id(code)}`,
  checkIn: (session: string, code: string) => call<{ site: string }>("POST", `/api/sessions/${id(session)}/checkin`, { code }),
  attendance: (session: string) => get<AttendanceList>(`/api/sessions/${id(session)}/attendance`),
  correct: (session: string, change: Change, reason: string) =>
    call<void>("POST", `/api/sessions/${id(session)}/corrections`, { change, reason }),
  leaveRequests: (session: string) => list<LeaveRequest>(`/api/sessions/${id(session)}/leave`),
  askLeave: (session: string, kind: LeaveKind, reason: string) =>
    call<LeaveRequest>("POST", `/api/sessions/${id(session)}/leave`, { kind, reason }),
  withdrawLeave: (session: string) => call<LeaveRequest>("POST", `/api/sessions/${id(session)}/leave/withdraw`, {}),
  decideLeave: (session: string, person: string, granted: boolean, reason: string) =>
    call<LeaveRequest>("POST", `/api/sessions/${id(session)}/leave/${id(person)}`, { granted, reason }),
  knock: (session: string) => call<Knocked>("POST", `/api/sessions/${id(session)}/knock`, {}),
  knocked: (session: string) => get<Knocked>(`/api/sessions/${id(session)}/knock`),
  answerKnock: (session: string, person: string, admit: "observer" | "member" | "refuse", reason: string) =>
    call<void>("POST", `/api/sessions/${id(session)}/knock/${id(person)}`, { admit, reason }),
  attendanceCsv: (session: string) => `/api/archive/${id(session)}/attendance.csv`,
  minutes: (session: string) => get<Minutes>(`/api/archive/${id(session)}/minutes`),
  minutesVersions: (session: string) => list<MinutesVersion>(`/api/archive/${id(session)}/minutes/versions`),
  saveMinutes: (session: string, base: string | null, sections: { key: string; body: string }[]) =>
    call<Minutes>("PUT", `/api/archive/${id(session)}/minutes`, { base, sections }),
  submitMinutes: (session: string, signature: Signature) => call<Minutes>("POST", `/api/archive/${id(session)}/minutes/submit`, signature),
  confirmMinutes: (session: string, signature: Signature) => call<Minutes>("POST", `/api/archive/${id(session)}/minutes/confirm`, signature),
  returnMinutes: (session: string, reason: string) => call<Minutes>("POST", `/api/archive/${id(session)}/minutes/return`, { reason }),
  objectToMinutes: (session: string, text: string) => call<Minutes>("POST", `/api/archive/${id(session)}/minutes/objections`, { text }),
  answerObjection: (session: string, objection: string, text: string) =>
    call<Minutes>("POST", `/api/archive/${id(session)}/minutes/objections/${id(objection)}/answer`, { text }),
  sealMinutes: (session: string) => call<Minutes>("POST", `/api/archive/${id(session)}/minutes/seal`),
  correctMinutes: (session: string, section: string, text: string, reason: string) =>
    call<Minutes>("POST", `/api/archive/${id(session)}/minutes/corrections`, { section, text, reason }),
  minutesFile: (session: string, form: "pdf" | "docx") => `/api/archive/${id(session)}/minutes.${form}`,
  attendanceFile: (session: string) => `/api/archive/${id(session)}/attendance.xlsx`,
  journalFile: (session: string) => `/api/archive/${id(session)}/journal.jsonl`,
};
