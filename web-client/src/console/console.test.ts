import { describe, expect, it } from "vitest";
import { defaultStart, quarterOf, toLocalInput } from "./newSession";
import { nextPath } from "./next";

describe("after signing in", () => {
  it("goes back to the link, and never to another site", () => {
    expect(nextPath("/s/123?debug")).toBe("/s/123?debug");
    for (const bad of ["//evil.example", "https://evil.example", "/\\evil.example", undefined, ["/a"]]) expect(nextPath(bad)).toBe("/");
  });
});

describe("a new session", () => {
  it("starts at the next whole hour, with time to send the link", () => {
    expect(toLocalInput(defaultStart(new Date(2026, 10, 21, 18, 20)))).toBe("2026-11-21T19:00");
    expect(toLocalInput(defaultStart(new Date(2026, 10, 21, 18, 55)))).toBe("2026-11-21T20:00");
    expect(quarterOf(new Date(2026, 10, 21))).toBe(3);
  });
});
