import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MAX_CHAT_CHARS } from "@/protocol/generated/protocol";
import generated from "@/protocol/generated/protocol?raw";
import en from "./en";
import zh from "./zh-CN";

const SRC = fileURLToPath(new URL("..", import.meta.url));

function keysOf(value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "string" ? [prefix + key] : keysOf(inner as object, `${prefix}${key}.`),
  );
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["i18n", "generated", "dev"].includes(entry.name) ? [] : sources(path);
    return /\.(vue|ts)$/.test(entry.name) && !entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

const texts = sources(SRC).map((path) => ({ path, text: readFileSync(path, "utf8") }));
const all = texts.map((one) => one.text).join("\n");
const keys = keysOf(zh);

/** Every quoted thing that looks like a key; `${…}` stands for one part. */
const used = new Set([...all.matchAll(/["'`]([a-z][A-Za-z]*(?:\.(?:[A-Za-z_0-9]+|\$\{[^`]*?\}))+)["'`]/g)].map((found) => found[1] as string));
const patterns = [...used].map((key) => new RegExp(`^${key.replace(/\$\{[^]*?\}(?=\.|$)/g, "[^.]+").replace(/\./g, "\\.").replace(/\[\^\\\.\]/g, "[^.]")}$`));

describe("words", () => {
  it("are there in both languages", () => {
    expect(keysOf(en)).toEqual(keys);
  });

  it("have the same placeholders in both languages, but for dates", () => {
    const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort().join();
    const at = (value: unknown, key: string) => key.split(".").reduce<unknown>((inner, part) => (inner as Record<string, unknown>)[part], value) as string;
    const differing = keys.filter((key) => key !== "time.day" && holes(at(zh, key)) !== holes(at(en, key)));
    expect(differing).toEqual([]);
  });

  it("are all used", () => {
    expect(keys.filter((key) => !patterns.some((pattern) => pattern.test(key)))).toEqual([]);
  });

  it("exist wherever a page asks for one", () => {
    const asked = [...all.matchAll(/\bt\(\s*["']([^"']+)["']/g)].map((found) => found[1] as string);
    expect(asked.length).toBeGreaterThan(150);
    expect(asked.filter((key) => !keys.includes(key))).toEqual([]);
  });

  it("are in the locale files only: no Chinese stands in a template or a script", () => {
    const strict = texts.filter(({ text }) => {
      const bare = text.replace(/\/\*[^]*?\*\//g, "").replace(/<!--[^]*?-->/g, "").replace(/^\s*\/\/.*$/gm, "");
      return /[\u4e00-\u9fff]/.test(bare.replace(/\\u4e00|\\u9fff/g, "").replace('aria-hidden="true">文<', ""));
    });
    expect(strict.map((one) => one.path.slice(SRC.length))).toEqual([]);
  });

  it("have a sentence for every code of the protocol", () => {
    const line = /export type ErrorCode = ([^;]+);/.exec(generated)?.[1] ?? "";
    const codes = [...line.matchAll(/"(\w+)"/g)].map((found) => found[1] as string);
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.filter((code) => !(code in zh.errors))).toEqual([]);
    expect(MAX_CHAT_CHARS).toBeGreaterThan(0);
  });

  it("have full-width punctuation in Chinese, but for times, addresses and what is between Latin letters", () => {
    const at = (key: string) => key.split(".").reduce<unknown>((inner, part) => (inner as Record<string, unknown>)[part], zh) as string;
    // A placeholder stands for a word.
    const halfWidth = (text: string) => {
      const words = text.replace(/\{[^}]*\}/g, "字");
      return /[\u4e00-\u9fff]/.test(words) && /(?<![!-~])[,:;?!]|[,:;?!](?![!-~])|[()]/.test(words.replace(/https?:\/\/\S+/g, ""));
    };
    expect(["好,的", "共(二)", "{a}:{b}", "真的?"].filter((text) => !halfWidth(text))).toEqual([]);
    expect(["好，的", "共（二）", "在 10:30 开始", "见 https://a.cn/ 处"].filter(halfWidth)).toEqual([]);
    expect(keys.filter((key) => halfWidth(at(key)))).toEqual([]);
  });

  it("never say what a branch would not say", () => {
    const words = JSON.stringify(zh);
    for (const never of ["用户", "房间号", "踢出"]) expect(words).not.toContain(never);
  });
});
