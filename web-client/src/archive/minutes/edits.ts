/** What a recorder has typed and not saved yet, by section. */
import type { MinutesSection } from "@/api/minutes";

export type Edits = Record<string, string>;

/** Only what differs from the version it was made from. */
export function changed(sections: MinutesSection[], edits: Edits): { key: string; body: string }[] {
  return sections
    .filter((section) => !section.locked && edits[section.key] !== undefined && edits[section.key] !== section.body)
    .map((section) => ({ key: section.key, body: edits[section.key] as string }));
}

/** Rows of a field: short facts have one line, a record of speeches grows with its text. */
export function rowsOf(body: string): number {
  const lines = body.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 40)), 0);
  return Math.min(20, Math.max(1, lines));
}
