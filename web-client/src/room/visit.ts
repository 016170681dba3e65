/**
 * What this tab chose in the lobby, so that reloading the page brings the person back as they were.
 * It lives as long as the tab and goes with a clicked 离开.
 */
export interface Visit {
  consent: boolean;
  microphone: boolean;
  camera: boolean;
}

const key = (session: string) => `yuntang.visit.${session}`;

export function readVisit(session: string): Visit | null {
  try {
    const kept = sessionStorage.getItem(key(session));
    return kept ? (JSON.parse(kept) as Visit) : null;
  } catch {
    return null;
  }
}

export function keepVisit(session: string, visit: Visit): void {
  try {
    sessionStorage.setItem(key(session), JSON.stringify(visit));
  } catch {
    // Without storage a reload goes through the lobby again.
  }
}

export function forgetVisit(session: string): void {
  try {
    sessionStorage.removeItem(key(session));
  } catch {
    // Nothing was kept.
  }
}
