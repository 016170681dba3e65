import type { SessionState } from "@/protocol/generated/protocol";

export function isRunning(state: SessionState): boolean {
  return state === "opened" || state === "declared_open";
}

export function isOver(state: SessionState): boolean {
  return state === "declared_closed" || state === "archived" || state === "cancelled";
}
