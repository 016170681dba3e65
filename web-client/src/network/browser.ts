/** Which browser this is, by its own words: enough to say whether it is too old. */
export interface Browser {
  /** As people know it. */
  name: string;
  /** Whose version counts. */
  engine: "Chromium" | "Firefox" | "Safari" | "";
  /** Major version of the engine; 0 when it does not say. */
  version: number;
  /** It has what a call needs. */
  webrtc: boolean;
}

const NAMES: readonly [RegExp, string][] = [
  [/MicroMessenger\//, "WeChat"],
  [/DingTalk/, "DingTalk"],
  [/Edg(?:e|A|iOS)?\//, "Edge"],
  [/QQBrowser\//, "QQ"],
  [/HuaweiBrowser\//, "Huawei"],
  [/UOS|Deepin/, "UOS"],
  [/Firefox\//, "Firefox"],
  [/Chrome\//, "Chrome"],
  [/Safari\//, "Safari"],
];

export function browserOf(agent: string, webrtc: boolean): Browser {
  const name = NAMES.find(([pattern]) => pattern.test(agent))?.[1] ?? "";
  const major = (pattern: RegExp) => Number(pattern.exec(agent)?.[1] ?? 0);
  if (/Firefox\//.test(agent)) return { name, engine: "Firefox", version: major(/Firefox\/(\d+)/), webrtc };
  if (/Chrome\//.test(agent)) return { name, engine: "Chromium", version: major(/Chrome\/(\d+)/), webrtc };
  // Every browser of iOS is Safari inside; some do not say its version but the system's.
  if (/AppleWebKit/.test(agent)) return { name, engine: "Safari", version: major(/Version\/(\d+)/) || major(/OS (\d+)_/), webrtc };
  return { name, engine: "", version: 0, webrtc };
}
