/** Minutes as docs/API.md has them. */

export type MinutesState = "draft" | "recorder_submitted" | "chair_confirmed" | "sealed";

export interface MinutesSection {
  key: string;
  title: string;
  body: string;
  /** From the journal; not edited. */
  locked: boolean;
  hint?: string;
}

export interface Signed {
  name: string;
  at_us: number;
  digest: string;
}

export interface Said {
  name: string;
  at_us: number;
  text: string;
}

export interface Objection extends Said {
  id: string;
  answer: Said | null;
}

export interface MinutesCorrection {
  section: string;
  title: string;
  old: string;
  new: string;
  reason: string;
  name: string;
  at_us: number;
}

export interface Minutes {
  session_id: string;
  kind: string;
  title: string;
  org_name: string;
  state: MinutesState;
  version: string | null;
  digest: string;
  hash_algorithm: "sha256" | "sm3";
  sections: MinutesSection[];
  missing: string[];
  recorder: Signed | null;
  chair: Signed | null;
  returned: { name: string; at_us: number; reason: string; superior: boolean } | null;
  objections_until_us: number | null;
  objections: Objection[];
  corrections: MinutesCorrection[];
  seal: { at_us: number; seq: number; hash: string; day: string | null; n: number | null; root: string | null } | null;
  closed_us: number | null;
  overdue: boolean;
  can: {
    edit: boolean;
    submit: boolean;
    confirm: boolean;
    give_back: boolean;
    object: boolean;
    answer: boolean;
    seal: boolean;
    correct: boolean;
    sign_as: string;
  };
}

export interface DiffRun {
  op: "same" | "removed" | "added";
  text: string;
}

export interface MinutesVersion {
  id: string;
  at_us: number;
  name: string | null;
  digest: string;
  changes: { key: string; title: string; runs: DiffRun[] }[];
}

export interface Signature {
  digest: string;
  name: string;
  password: string;
}
