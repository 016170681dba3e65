import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { connectionSettings, rememberedWay, rememberWay } from "./way";

const SERVER = { urls: ["turns:10.0.0.1:8443?transport=tcp"], username: "1:a", credential: "c" };
const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
});
afterEach(() => vi.unstubAllGlobals());

it("remembers the way over visits, for a month", () => {
  expect(rememberedWay(0)).toBeNull();
  rememberWay("tcp", 0);
  expect(rememberedWay(29 * 24 * 3_600_000)).toBe("tcp");
  expect(rememberedWay(31 * 24 * 3_600_000)).toBeNull();
});

it("takes nothing from a storage that holds something else or refuses", () => {
  for (const junk of ["{", "1", "null", '{"path":"carrier pigeon","atMs":0}', '{"path":"tcp"}']) {
    kept.set("yuntang.way", junk);
    expect(rememberedWay(0)).toBeNull();
  }
  vi.stubGlobal("localStorage", {
    getItem: () => {
      throw new Error("refused");
    },
    setItem: () => {
      throw new Error("refused");
    },
  });
  expect(() => rememberWay("relay")).not.toThrow();
  expect(rememberedWay()).toBeNull();
});

it("asks for a relay ahead only where one was needed, and never forbids a better way", () => {
  for (const last of [null, "direct", "tcp", "relay"] as const) {
    const settings = connectionSettings([SERVER], last);
    expect(settings.iceServers).toEqual([SERVER]);
    expect(settings.iceTransportPolicy).toBeUndefined();
    expect(settings.iceCandidatePoolSize).toBe(last === "relay" ? 1 : undefined);
  }
  expect(connectionSettings([], "relay").iceCandidatePoolSize).toBeUndefined();
});
