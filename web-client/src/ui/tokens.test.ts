import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const css = readFileSync(fileURLToPath(new URL("./tokens.css", import.meta.url)), "utf8");

function block(selector: string): Record<string, string> {
  const body = css.slice(css.indexOf(`${selector} {`)).split("}")[0] ?? "";
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/gi)].map((found) => [found[1], found[2]]));
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const light = block(":root");
const themes: [string, Record<string, string>][] = [["light", light], ["dark", { ...light, ...block('[data-theme="dark"]') }]];
const GROUNDS = ["page", "surface", "raised"];

describe.each(themes)("colours of the %s theme", (_name, tokens) => {
  const pairs = [
    ...["ink", "muted", "positive", "warning"].flatMap((text) => GROUNDS.map((ground) => [text, ground, 4.5] as const)),
    ["on-accent", "accent", 4.5] as const,
    ["on-accent", "accent-strong", 4] as const,
    ["positive", "positive-soft", 4.5] as const,
    ["warning", "warning-soft", 4.5] as const,
    ["ink", "accent-soft", 4.5] as const,
    ...["control", "focus", "mark"].flatMap((part) => GROUNDS.map((ground) => [part, ground, 3] as const)),
  ];
  it.each(pairs)("%s on %s has at least %f:1", (one, other, least) => {
    expect(contrast(tokens[one] ?? "", tokens[other] ?? "")).toBeGreaterThanOrEqual(least);
  });
});

describe("tokens", () => {
  it("are those that the interface page gives", () => {
    expect(themes[0]?.[1]).toMatchObject({ accent: "#b4232a", page: "#f6f6f4", surface: "#ffffff", ink: "#1b1d21", muted: "#5a606b", line: "#dedfdb", positive: "#1f7a4d" });
    expect(themes[1]?.[1]).toMatchObject({ mark: "#e5484d", page: "#121417", surface: "#1c1f24", raised: "#262a31", ink: "#f2f3f5", muted: "#a9b0bc", line: "#363b44" });
  });

  it("enlarge everything in large type", () => {
    expect(css).toMatch(/html\.large \{\s*font-size: 20px/);
  });
});
