/** Organisations, members, roles and tables: docs/API.md. */
import type { MemberClass } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import { call, refusal } from "./client";

export const ORG_KINDS = ["committee", "work_committee", "general_branch", "branch", "joint_branch", "temporary_branch", "group"] as const;
export type OrgKind = (typeof ORG_KINDS)[number];

export const POSTS = [
  "secretary",
  "deputy_secretary",
  "organisation",
  "publicity",
  "discipline",
  "united_front",
  "youth",
  "masses",
  "welfare",
  "confidentiality",
  "member",
] as const;
export type Post = (typeof POSTS)[number];

export const CLASSES = ["full", "probationary", "on_party_probation", "rights_suspended"] as const;

export const ORG_ROLES = ["secretary", "committee_member", "recorder", "group_leader", "manager", "observer", "administrator"] as const;
export type GrantedRole = (typeof ORG_ROLES)[number];

export interface OrgCard {
  id: string;
  parent_id?: string;
  name: string;
  code?: string;
  kind: OrgKind;
  closed: boolean;
  children: number;
  can_manage: boolean;
}

export interface FoundOrg extends OrgCard {
  path: string[];
}

export interface Seat {
  post: Post;
  from_on?: string | null;
  until_on?: string | null;
}

export interface OrgDetail extends FoundOrg {
  members: number;
  full_members: number;
  seats: ({ person_id: string; name: string } & Seat)[];
  has_committee?: boolean;
  moves: { from_us: number; parent_id?: string; parent_name?: string }[];
  can: { manage: boolean; move: boolean; members: boolean; roles: boolean };
}

export interface Member {
  id: string;
  code?: string;
  name: string;
  org_id: string;
  org_name: string;
  group_id?: string;
  group_name?: string;
  class?: MemberClass;
  phone?: string;
  active: boolean;
  seat?: Seat;
  can_edit: boolean;
}

export interface MemberForm {
  name: string;
  code: string | null;
  org_id?: string;
  group_id: string | null;
  class: MemberClass | null;
  phone: string | null;
  seat: Seat | null;
  active: boolean;
}

export interface OrgForm {
  parent_id?: string | null;
  name: string;
  code: string | null;
  kind: OrgKind;
}

export interface Granted {
  person_id: string;
  name: string;
  role: GrantedRole | "member";
  inherits: boolean;
}

export type Table = "orgs" | "members";

export interface ImportCounts {
  new: number;
  changed: number;
  unchanged: number;
  missing: number;
  problems: number;
}

export interface ImportPreview {
  counts: ImportCounts;
  problems: { row: number; column: string; value: string; message: string }[];
  examples: { row: number; code: string; name: string; new: boolean; changes: string[] }[];
  unknown_columns: string[];
}

export interface ImportJob {
  id: string;
  what: Table;
  org_id: string;
  state: "reading" | "ready" | "writing" | "done" | "failed";
  rows: number;
  progress: number;
  preview?: ImportPreview;
  message?: string;
}

const id = encodeURIComponent;
const get = <T>(path: string) => call<T>("GET", path);
const items = <T>(path: string) => get<{ items: T[] }>(path).then((answer) => answer.items);

export const orgsApi = {
  children: (parent?: string) => items<OrgCard>(parent ? `/api/orgs?parent=${id(parent)}` : "/api/orgs"),
  search: (text: string) => items<FoundOrg>(`/api/orgs/search?q=${id(text)}`),
  read: (org: string) => get<OrgDetail>(`/api/orgs/${id(org)}`),
  create: (form: OrgForm) => call<OrgDetail>("POST", "/api/orgs", form),
  edit: (org: string, form: OrgForm) => call<OrgDetail>("PUT", `/api/orgs/${id(org)}`, form),
  move: (org: string, parent: string, fromUs: number) =>
    call<OrgDetail>("POST", `/api/orgs/${id(org)}/move`, { parent_id: parent, from_us: fromUs }),
  close: (org: string) => call<OrgDetail>("POST", `/api/orgs/${id(org)}/close`),
  members: (org: string, query: { q: string; below: boolean; inactive: boolean; after?: string }) => {
    const asked = new URLSearchParams({ q: query.q, below: String(query.below), inactive: String(query.inactive) });
    if (query.after) asked.set("after", query.after);
    return get<{ items: Member[]; next?: string }>(`/api/orgs/${id(org)}/members?${asked}`);
  },
  createMember: (org: string, form: MemberForm) => call<Member>("POST", `/api/orgs/${id(org)}/members`, form),
  editMember: (member: string, form: MemberForm) => call<Member>("PUT", `/api/members/${id(member)}`, form),
  account: (member: string, login: string) => call<{ login: string; password: string }>("POST", `/api/members/${id(member)}/account`, { login }),
  roles: (org: string) => items<Granted>(`/api/orgs/${id(org)}/roles`),
  grant: (org: string, person: string, role: GrantedRole, inherits: boolean) =>
    call<void>("POST", `/api/orgs/${id(org)}/roles`, { person_id: person, role, inherits }),
  revoke: (org: string, person: string, role: string) => call<void>("POST", `/api/orgs/${id(org)}/roles/revoke`, { person_id: person, role }),
  exported: (org: string, what: Table, format: "csv" | "xlsx") => `/api/orgs/${id(org)}/export?what=${what}&format=${format}`,
  job: (job: string) => get<ImportJob>(`/api/imports/${id(job)}`),
  confirm: (job: string) => call<ImportJob>("POST", `/api/imports/${id(job)}/confirm`),
  discard: (job: string) => call<void>("POST", `/api/imports/${id(job)}/discard`),
  upload,
};

/** By XMLHttpRequest: `fetch` does not tell how much is sent. */
function upload(org: string, what: Table, file: Blob, sent: (share: number) => void): Promise<ImportJob> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/orgs/${id(org)}/import?what=${what}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => sent(event.total ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status === 202) resolve(request.response as ImportJob);
      else reject(refusal(request.status, request.response));
    };
    request.onerror = () => reject(new RequestError("network", ""));
    request.ontimeout = () => reject(new RequestError("timeout", ""));
    request.send(file);
  });
}
