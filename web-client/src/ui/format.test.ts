import { describe, expect, it } from "vitest";
import zh from "@/i18n/zh-CN";
import { formatMoment, formatOffset, formatPermille, formatSpan, formatWeekday, initials } from "./format";

const t = (key: string, named: Record<string, unknown> = {}) => {
  const text = key.split(".").reduce<unknown>((inner, part) => (inner as Record<string, unknown>)[part], zh) as string;
  return text.replace(/\{(\w+)\}/g, (_all, name: string) => String(named[name]));
};
const at = new Date(2026, 10, 21, 19, 0).getTime() * 1_000;

describe("dates and lengths", () => {
  it("read as a branch secretary writes them", () => {
    expect(formatMoment(at, t)).toBe("2026年11月21日 19:00");
    expect(formatWeekday(at, t)).toBe("星期六");
    expect(formatSpan(5_400, t)).toBe("1小时30分");
    expect(formatSpan(720, t)).toBe("12分钟");
    expect(formatSpan(45, t)).toBe("45秒");
    expect(formatSpan(125, t)).toBe("2分5秒");
    expect(formatPermille(937)).toBe("93.7%");
  });

  it("count a recording's time", () => {
    expect(formatOffset(0)).toBe("0:00");
    expect(formatOffset(725.9)).toBe("12:05");
    expect(formatOffset(3_723)).toBe("1:02:03");
  });

  it("call a person by the given name", () => {
    expect(initials("王建国")).toBe("建国");
    expect(initials("Lu")).toBe("L");
  });
});
