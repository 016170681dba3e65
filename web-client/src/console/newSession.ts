/** What a new session starts with, so that a secretary changes little. */

/** Kinds of meetings, the usual ones first; the ids of the rules. */
export const KINDS = [
  "branch_assembly",
  "branch_committee",
  "group_meeting",
  "party_lecture",
  "theme_day",
  "org_life",
  "member_review",
  "admit_probationary",
  "convert_probationary",
  "discipline_vote",
  "election",
  "leaders_life",
] as const;
export type Kind = (typeof KINDS)[number];

/** The next whole hour, at the earliest in ten minutes. */
export function defaultStart(now: Date): Date {
  const start = new Date(now.getTime() + 10 * 60_000);
  start.setMinutes(0, 0, 0);
  start.setHours(start.getHours() + 1);
  return start;
}

/** 0…3 */
export function quarterOf(day: Date): number {
  return Math.floor(day.getMonth() / 3);
}

/** The value of an `<input type="datetime-local">`, local time. */
export function toLocalInput(day: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}T${two(day.getHours())}:${two(day.getMinutes())}`;
}
