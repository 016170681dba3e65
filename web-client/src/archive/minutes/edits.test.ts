import { describe, expect, it } from "vitest";
import { changed, rowsOf } from "./edits";

const section = (key: string, body: string, locked = false) => ({ key, title: key, body, locked });

describe("edits of minutes", () => {
  it("send what differs and nothing that belongs to the journal", () => {
    const sections = [section("chair", "张三"), section("counts", "应到6人", true), section("place", "会议室")];
    expect(changed(sections, { chair: "李四", counts: "应到1人", place: "会议室" })).toEqual([{ key: "chair", body: "李四" }]);
    expect(changed(sections, {})).toEqual([]);
    expect(changed(sections, { place: "" })).toEqual([{ key: "place", body: "" }]);
  });

  it("grow with their text, within limits", () => {
    expect(rowsOf("")).toBe(1);
    expect(rowsOf("一\n二\n三")).toBe(3);
    expect(rowsOf("字".repeat(100))).toBe(3);
    expect(rowsOf("字\n".repeat(200))).toBe(20);
  });
});
