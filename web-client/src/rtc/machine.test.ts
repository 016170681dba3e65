// @vitest-environment jsdom
import { afterEach, expect, it, vi } from "vitest";
import { onNetworkChange } from "./machine";

afterEach(() => vi.unstubAllGlobals());

it("tells another sort of network, and one again; not that its speed is guessed anew", () => {
  const link = Object.assign(new EventTarget(), { type: "wifi" });
  vi.stubGlobal("navigator", { connection: link });
  const changed = vi.fn();
  const stop = onNetworkChange(changed);
  link.dispatchEvent(new Event("change"));
  expect(changed).not.toHaveBeenCalled();
  link.type = "cellular";
  link.dispatchEvent(new Event("change"));
  expect(changed).toHaveBeenCalledTimes(1);
  window.dispatchEvent(new Event("online"));
  expect(changed).toHaveBeenCalledTimes(2);
  stop();
  link.type = "wifi";
  link.dispatchEvent(new Event("change"));
  window.dispatchEvent(new Event("online"));
  expect(changed).toHaveBeenCalledTimes(2);
});

it("does without where the browser tells nothing of the link", () => {
  vi.stubGlobal("navigator", {});
  const changed = vi.fn();
  const stop = onNetworkChange(changed);
  window.dispatchEvent(new Event("online"));
  expect(changed).toHaveBeenCalledTimes(1);
  stop();
});
