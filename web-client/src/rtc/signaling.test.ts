import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientMessage, ServerMessage, Welcome } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import { aWelcome } from "@/dev/fixtures";
import { SignalingClient, type LineState, type Socket } from "./signaling";

class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  sent: ClientMessage[] = [];
  closed = false;

  send(data: string) {
    this.sent.push(JSON.parse(data) as ClientMessage);
  }

  close() {
    this.closed = true;
  }

  says(message: ServerMessage) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  requests() {
    return this.sent.filter((one) => one.type === "request");
  }

  /** Opens, and answers hello. */
  async welcomes(part: Partial<Welcome> = {}) {
    this.onopen?.();
    const hello = this.requests()[0];
    this.says({ type: "reply", id: hello?.id ?? 0, reply: { kind: "welcome", ...aWelcome(part) } });
    await vi.advanceTimersByTimeAsync(0);
  }
}

let sockets: FakeSocket[] = [];
let tokens: boolean[] = [];
let client: SignalingClient;
let states: LineState[] = [];
const last = () => sockets[sockets.length - 1] as FakeSocket;

beforeEach(async () => {
  vi.useFakeTimers();
  sockets = [];
  tokens = [];
  states = [];
  client = new SignalingClient({
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    token: async (fresh) => {
      tokens.push(fresh);
      return fresh ? "fresh" : "first";
    },
    consent: true,
    device: "desktop",
  });
  client.on("state", (state) => states.push(state));
  client.start();
  await vi.advanceTimersByTimeAsync(0);
});

afterEach(() => {
  client.close();
  vi.useRealTimers();
});

describe("hello", () => {
  it("is the first message, with token, consent and device, and without resume", () => {
    last().onopen?.();
    expect(last().requests()[0]?.request).toEqual({ method: "hello", version: 1, token: "first", consent: true, device: "desktop" });
  });

  it("puts the line online only when the welcome is there", async () => {
    expect(client.state).toBe("connecting");
    await last().welcomes();
    expect(client.state).toBe("online");
  });

  it("asks for a new token when the old one has expired, and tries again", async () => {
    last().onopen?.();
    last().says({ type: "error", id: last().requests()[0]?.id ?? 0, error: { code: "token_expired", message: "" } });
    await vi.advanceTimersByTimeAsync(600);
    expect(tokens).toEqual([false, true]);
    last().onopen?.();
    expect(last().requests()[0]?.request).toMatchObject({ token: "fresh" });
  });

  it("ends for good when the server refuses the person", async () => {
    const ended = vi.fn();
    client.on("ended", ended);
    last().onopen?.();
    last().says({ type: "error", id: last().requests()[0]?.id ?? 0, error: { code: "forbidden", message: "不在名册" } });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ended.mock.calls[0]?.[0]).toMatchObject({ code: "forbidden", message: "不在名册" });
    expect(sockets).toHaveLength(1);
    expect(client.state).toBe("closed");
  });
});

describe("requests", () => {
  it("get the reply that carries their id, whatever the order", async () => {
    await last().welcomes();
    const first = client.request({ method: "hand", raised: true });
    const second = client.request({ method: "chat", text: "到" });
    const [, one, two] = last().requests();
    last().says({ type: "error", id: two?.id ?? 0, error: { code: "rate_limited", message: "慢一点", retry_after_ms: 500 } });
    last().says({ type: "reply", id: one?.id ?? 0, reply: { kind: "done" } });
    await expect(first).resolves.toEqual({ kind: "done" });
    await expect(second).rejects.toMatchObject({ code: "rate_limited", retryAfterMs: 500, transient: true });
  });

  it("fail after ten seconds without an answer", async () => {
    await last().welcomes();
    const wanted = expect(client.request({ method: "declare_open" })).rejects.toMatchObject({ code: "timeout" });
    for (let at = 0; at < 10; at += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      last().says({ type: "ping", seq: at });
    }
    await wanted;
  });

  it("fail at once when the line drops, so that nothing waits for ever", async () => {
    await last().welcomes();
    const wanted = expect(client.request({ method: "declare_open" })).rejects.toMatchObject({ code: "disconnected" });
    last().onclose?.();
    await wanted;
    await expect(client.request({ method: "declare_open" })).rejects.toBeInstanceOf(RequestError);
  });

  it("are logged when acknowledged, without token and SDP", async () => {
    const log: unknown[] = [];
    client.on("acknowledged", (one) => log.push(one.request));
    await last().welcomes();
    void client.request({ method: "offer", sdp: "v=0 secret", publications: [] });
    last().says({ type: "reply", id: last().requests()[1]?.id ?? 0, reply: { kind: "answer", sdp: "", assignments: [] } });
    expect(JSON.stringify(log)).not.toMatch(/secret|first/);
    expect(log).toHaveLength(2);
  });
});

describe("coming back", () => {
  it("tries at once, then after 0.5, 1 and steadily 2 seconds", async () => {
    await last().welcomes();
    const times: number[] = [];
    const begin = Date.now();
    let seen = sockets.length;
    last().onclose?.();
    for (let ms = 0; ms <= 8_000; ms += 100) {
      await vi.advanceTimersByTimeAsync(ms === 0 ? 0 : 100);
      if (sockets.length > seen) {
        seen = sockets.length;
        times.push(Date.now() - begin);
        last().onclose?.();
      }
    }
    expect(times.slice(0, 5)).toEqual([0, 500, 1_500, 3_500, 5_500]);
  });

  it("is back within five seconds of a server that restarts in three", async () => {
    await last().welcomes();
    last().onclose?.();
    const begin = Date.now();
    while (Date.now() - begin < 3_000) {
      await vi.advanceTimersByTimeAsync(50);
      if (!last().closed && Date.now() - begin < 3_000) last().onclose?.();
    }
    while (client.state !== "online" && Date.now() - begin < 10_000) {
      await vi.advanceTimersByTimeAsync(50);
      if (last().onopen) await last().welcomes();
    }
    expect(Date.now() - begin).toBeLessThanOrEqual(5_000);
    expect(states).toEqual(["connecting", "online", "reconnecting", "online"]);
  });

  it("resumes with its token and the last number seen, and ignores what it had", async () => {
    const events: string[] = [];
    client.on("event", (event) => events.push(event.kind));
    await last().welcomes({ seq: 4 });
    last().says({ type: "event", seq: 5, event: { kind: "agenda", index: 0 } });
    last().onclose?.();
    await vi.advanceTimersByTimeAsync(0);
    last().onopen?.();
    expect(last().requests()[0]?.request).toMatchObject({ resume: { token: "r1", last_seq: 5 } });
    await last().welcomes({ resumed: true, seq: 7 });
    last().says({ type: "event", seq: 5, event: { kind: "agenda", index: 0 } });
    last().says({ type: "event", seq: 6, event: { kind: "speaker" } });
    last().says({ type: "event", seq: 7, event: { kind: "replaced" } });
    expect(events).toEqual(["agenda", "speaker", "replaced"]);
  });

  it("starts afresh after the minute for which the server keeps what was missed", async () => {
    await last().welcomes();
    last().onclose?.();
    await vi.advanceTimersByTimeAsync(61_000);
    last().onopen?.();
    expect(last().requests()[0]?.request).not.toHaveProperty("resume");
  });

  it("waits as long as a busy server asks", async () => {
    await last().welcomes();
    last().says({ type: "bye", error: { code: "restarting", message: "", retry_after_ms: 3_000 } });
    await vi.advanceTimersByTimeAsync(2_900);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(sockets).toHaveLength(2);
  });

  it("gives up an attempt that hangs for four seconds", async () => {
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4_600);
    expect(sockets).toHaveLength(2);
    expect(sockets[0]?.closed).toBe(true);
  });
});

describe("the line", () => {
  it("answers pings with the last number seen", async () => {
    await last().welcomes({ seq: 3 });
    last().says({ type: "ping", seq: 3 });
    expect(last().sent[last().sent.length - 1]).toEqual({ type: "pong", seq: 3 });
  });

  it("is dead after ten seconds without a frame", async () => {
    await last().welcomes();
    await vi.advanceTimersByTimeAsync(9_500);
    expect(client.state).toBe("online");
    await vi.advanceTimersByTimeAsync(1_600);
    expect(client.state).toBe("reconnecting");
  });

  it("is dead at once when media has stopped and nothing comes on it either", async () => {
    await last().welcomes();
    client.suspect(600);
    await vi.advanceTimersByTimeAsync(300);
    last().says({ type: "ping", seq: 0 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.state).toBe("online");
    const dead = last();
    client.suspect(600);
    await vi.advanceTimersByTimeAsync(601);
    expect(dead.closed).toBe(true);
    expect(sockets).toHaveLength(2);
    await last().welcomes({ resumed: true });
    expect(client.state).toBe("online");
  });

  it("comes back by a second socket when the first finds no way within a moment", async () => {
    await last().welcomes();
    client.suspect(600);
    await vi.advanceTimersByTimeAsync(601);
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1_400);
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(700);
    expect(sockets).toHaveLength(3);
    expect(sockets[1]?.closed).toBe(true);
  });

  it("survives what is not JSON", async () => {
    await last().welcomes();
    last().onmessage?.({ data: "{" });
    last().onmessage?.({ data: new ArrayBuffer(3) });
    expect(client.state).toBe("online");
  });

  it("says leave before it closes", async () => {
    await last().welcomes();
    const socket = last();
    const left = client.leave();
    const request = socket.requests()[1];
    expect(request?.request).toEqual({ method: "leave" });
    socket.says({ type: "reply", id: request?.id ?? 0, reply: { kind: "done" } });
    await left;
    expect(socket.closed).toBe(true);
    expect(client.state).toBe("closed");
  });
});
