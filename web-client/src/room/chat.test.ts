// @vitest-environment jsdom
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createApp, h, nextTick, type App } from "vue";
import { i18n } from "@/i18n";
import { RequestError } from "@/protocol/errors";
import { useRoom } from "@/stores/room";
import { aParticipant, aSnapshot } from "@/dev/fixtures";
import YDialog from "@/ui/YDialog.vue";
import ChatPanel from "./ChatPanel.vue";

let app: App;

function mount(component: Parameters<typeof createApp>[0]) {
  const place = document.createElement("div");
  document.body.append(place);
  app = createApp(component);
  app.use(i18n);
  app.mount(place);
  return place;
}

const find = <T extends HTMLElement>(id: string) => document.querySelector<T>(`[data-testid="${id}"]`) as T;
const settle = async () => {
  for (let at = 0; at < 5; at += 1) await nextTick();
};

async function type(words: string) {
  const input = find<HTMLTextAreaElement>("chat-input");
  input.value = words;
  input.dispatchEvent(new Event("input"));
  await settle();
}

beforeEach(() => setActivePinia(createPinia()));
afterEach(() => {
  app.unmount();
  document.body.innerHTML = "";
});

describe("chat", () => {
  it("keeps what was typed when it could not be sent, says so, and clears it when the server has it", async () => {
    const room = useRoom();
    room.view = { session: aSnapshot({ participants: [aParticipant("a")] }), mayTakeOver: false };
    const answers: (RequestError | null)[] = [new RequestError("disconnected", ""), null];
    room.request = vi.fn(async () => answers.shift() ?? null);
    mount({ render: () => h(ChatPanel, { shown: true }) });
    await type("同意以上安排");
    find("chat-send").click();
    await settle();
    expect(find<HTMLTextAreaElement>("chat-input").value).toBe("同意以上安排");
    expect(document.querySelector("[role=alert]")?.textContent).toContain("网络断开");
    find("chat-send").click();
    await settle();
    expect(find<HTMLTextAreaElement>("chat-input").value).toBe("");
    expect(room.request).toHaveBeenCalledTimes(2);
  });

  it("does not send on the Enter that confirms an input method's word", async () => {
    const room = useRoom();
    room.view = { session: aSnapshot(), mayTakeOver: false };
    room.request = vi.fn(async () => null);
    mount({ render: () => h(ChatPanel, { shown: true }) });
    await type("tongyi");
    find("chat-input").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true }));
    await settle();
    expect(room.request).not.toHaveBeenCalled();
    find("chat-input").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    await settle();
    expect(room.request).toHaveBeenCalledTimes(1);
  });
});

describe("a dialog", () => {
  it("keeps the focus inside and closes with Escape", async () => {
    const closed = vi.fn();
    mount({ render: () => h(YDialog, { open: true, title: "散会", onClose: closed }, { default: () => h("button", { "data-testid": "inside" }, "散会") }) });
    await settle();
    const dialog = document.querySelector<HTMLElement>("[role=dialog]") as HTMLElement;
    expect(dialog.contains(document.activeElement)).toBe(true);
    find("inside").focus();
    find("inside").dispatchEvent(new KeyboardEvent("keydown", { key: "Tab", bubbles: true, cancelable: true }));
    expect(document.activeElement?.getAttribute("aria-label")).toBe("关闭");
    dialog.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(closed).toHaveBeenCalledTimes(1);
  });
});
