/** Chapters of the recording, from the journal: the agenda, and the official beginning. */
import type { JournalEvent, SessionDetail } from "@/api/http";

export interface Chapter {
  /** Seconds from the official opening, which is the recording's beginning. */
  at: number;
  title: string;
  index: number;
}

export function chaptersOf(events: readonly JournalEvent[], session: SessionDetail, startUs: number): Chapter[] {
  const list: Chapter[] = [];
  for (const event of events) {
    if (event.event.type !== "agenda") continue;
    const index = event.event.index ?? 0;
    const title = session.agenda[index]?.title;
    if (!title) continue;
    list.push({ at: Math.max(0, (event.at_us - startUs) / 1_000_000), title, index });
  }
  return list;
}
