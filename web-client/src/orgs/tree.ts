/** The tree of organisations as it is shown: loaded level by level, as far as it is opened. */
import type { OrgCard } from "@/api/orgs";

export interface TreeRow {
  org: OrgCard;
  depth: number;
  open: boolean;
  loading: boolean;
}

export interface TreeState {
  roots: OrgCard[];
  /** Children that were loaded, by parent. */
  children: Map<string, OrgCard[]>;
  open: Set<string>;
  loading: Set<string>;
}

export const emptyTree = (): TreeState => ({ roots: [], children: new Map(), open: new Set(), loading: new Set() });

/** The rows in sight, from the top. */
export function rowsOf(tree: TreeState): TreeRow[] {
  const rows: TreeRow[] = [];
  const walk = (level: OrgCard[], depth: number) => {
    for (const org of level) {
      const open = tree.open.has(org.id) && org.children > 0;
      rows.push({ org, depth, open, loading: tree.loading.has(org.id) });
      if (open) walk(tree.children.get(org.id) ?? [], depth + 1);
    }
  };
  walk(tree.roots, 1);
  return rows;
}

export type TreeStep = { kind: "focus"; id: string } | { kind: "open" | "close"; id: string } | null;

/** What a key does on a row, as in every tree (WAI-ARIA): up, down, open, close, first, last. */
export function stepOf(rows: TreeRow[], at: string, key: string): TreeStep {
  const index = rows.findIndex((row) => row.org.id === at);
  const row = rows[index];
  if (!row) return null;
  const focus = (to: TreeRow | undefined): TreeStep => (to ? { kind: "focus", id: to.org.id } : null);
  switch (key) {
    case "ArrowDown":
      return focus(rows[index + 1]);
    case "ArrowUp":
      return focus(rows[index - 1]);
    case "Home":
      return focus(rows[0]);
    case "End":
      return focus(rows[rows.length - 1]);
    case "ArrowRight":
      if (!row.org.children) return null;
      return row.open ? focus(rows[index + 1]) : { kind: "open", id: at };
    case "ArrowLeft":
      if (row.open) return { kind: "close", id: at };
      return focus(rows.slice(0, index).reverse().find((other) => other.depth < row.depth));
    default:
      return null;
  }
}

/** From when a move counts: a day from its midnight, today from now. */
export function effectiveUs(day: string, now: Date): number | null {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!parts) return null;
  const midnight = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]));
  if (Number.isNaN(midnight.getTime())) return null;
  const today = midnight.toDateString() === now.toDateString();
  return (today ? now.getTime() : midnight.getTime()) * 1_000;
}

export function dayOf(at: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
