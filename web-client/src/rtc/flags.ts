/**
 * Switches from the address, kept for the life of the tab: `?debug` (numbers and logs for tests
 * and support in `window.__yuntang`), `?layers=1` (one camera encoding), `?raw` (no audio processing).
 */
export interface Flags {
  debug: boolean;
  simulcast: boolean;
  rawAudio: boolean;
}

const KEY = "yuntang.flags";

export function readFlags(search: string, kept: string | null): Flags {
  const query = new URLSearchParams(search);
  const before = new Set((kept ?? "").split(",").filter(Boolean));
  if (query.has("debug")) before.add("debug");
  if (query.get("layers") === "1") before.add("single");
  if (query.has("raw")) before.add("raw");
  return { debug: before.has("debug"), simulcast: !before.has("single"), rawAudio: before.has("raw") };
}

function load(): Flags {
  if (typeof window === "undefined") return { debug: false, simulcast: true, rawAudio: false };
  try {
    const found = readFlags(location.search, sessionStorage.getItem(KEY));
    const words = [found.debug && "debug", !found.simulcast && "single", found.rawAudio && "raw"].filter(Boolean);
    sessionStorage.setItem(KEY, words.join(","));
    return found;
  } catch {
    return readFlags(location.search, null);
  }
}

export const flags = load();
