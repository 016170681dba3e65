import { describe, expect, it, vi } from "vitest";
import en from "@/i18n/en";
import zh from "@/i18n/zh-CN";
import { browserOf } from "./browser";
import { KEYS, needsCare, ofBandwidth, ofBrowser, ofClock, ofDevice, ofPath, ofSecure, ofServer, ofWebsocket, running, summary, type Check, type PathOutcome } from "./checks";
import { probe, type ProbeEnvironment } from "./probe";

const place = { host: "meet.example", port: "8443" };
const path = (key: "udp" | "tcp" | "turn", udp: PathOutcome, tcp: PathOutcome, turn: PathOutcome) => ofPath(key, { udp, tcp, turn }, place);

const CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
const OUTCOMES: PathOutcome[] = ["works", "fails", "off", "unknown"];

/** Everything that any check can say. */
const all: Check[] = [
  ...["", CHROME, CHROME.replace("120", "89"), "Mozilla/5.0 Firefox/140.0"].flatMap((agent) => [true, false].map((webrtc) => ofBrowser(browserOf(agent, webrtc)))),
  ofSecure(true), ofSecure(false),
  ofServer(null), ofServer(20), ofServer(900),
  ofWebsocket(true), ofWebsocket(false),
  ...(["udp", "tcp", "turn"] as const).flatMap((key) => OUTCOMES.flatMap((own) => [path(key, own, own, own), path(key, key === "udp" ? own : "works", key === "tcp" ? own : "works", key === "turn" ? own : "works")])),
  ofBandwidth(null, 1), ofBandwidth(9e6, 3e6), ofBandwidth(5e5, 3e6),
  ofClock(null), ofClock(900), ofClock(90_000), ofClock(-90_000),
  ...(["camera", "microphone"] as const).flatMap((key) => (["granted", "prompt", "denied", "missing", "insecure", "unknown"] as const).map((state) => ofDevice(key, state))),
];

describe("the connection test", () => {
  it("has a sentence in both languages for everything it can find", () => {
    for (const words of [zh, en]) {
      const says = words.networkTest.says as unknown as Record<string, Record<string, string>>;
      for (const one of all) expect(says[one.key]?.[one.says], `${one.key}.${one.says}`).toBeTruthy();
    }
    expect(new Set(all.map((one) => one.key))).toEqual(new Set(KEYS));
  });

  it("has no sentence that nothing says", () => {
    const said = new Set(all.map((one) => `${one.key}.${one.says}`));
    const written = Object.entries(zh.networkTest.says).flatMap(([key, inner]) => Object.keys(inner).map((says) => `${key}.${says}`));
    expect(written.filter((one) => !said.has(one))).toEqual([]);
  });

  it("says of every failure what to do", () => {
    const says = zh.networkTest.says as unknown as Record<string, Record<string, string>>;
    for (const one of all.filter((found) => found.verdict === "bad")) {
      expect(says[one.key]?.[one.says]).toMatch(/请|改用/);
    }
  });

  it("calls a path that fails grave only when no other works", () => {
    expect(path("udp", "fails", "works", "off").verdict).toBe("warn");
    expect(path("udp", "fails", "off", "off").verdict).toBe("bad");
    expect(path("tcp", "works", "off", "off").verdict).toBe("off");
    expect(path("udp", "fails", "fails", "fails").named).toEqual(place);
  });

  it("sums up: fine, with care, or not at all", () => {
    const fine = [ofServer(20), ofWebsocket(true), path("udp", "works", "off", "off"), path("tcp", "works", "off", "off"), path("turn", "works", "off", "off")];
    expect([summary(fine), needsCare(fine)]).toEqual(["good", 0]);
    const careful = [...fine, ofDevice("camera", "denied"), ofBandwidth(1, 1)];
    expect([summary(careful), needsCare(careful)]).toEqual(["care", 2]);
    expect(summary([...fine, ofWebsocket(false)])).toBe("bad");
    expect(summary([ofServer(20), path("udp", "fails", "off", "off"), path("tcp", "fails", "off", "off")])).toBe("bad");
    expect(summary([...fine, running("clock")])).toBe("running");
  });

  it("knows the browsers that branches use", () => {
    const of = (agent: string) => { const { name, engine, version } = browserOf(agent, true); return [name, engine, version]; };
    expect(of(CHROME)).toEqual(["Chrome", "Chromium", 120]);
    expect(of(`${CHROME} Edg/120.0`)).toEqual(["Edge", "Chromium", 120]);
    expect(of("Mozilla/5.0 (Linux; Android 12) AppleWebKit/537.36 Chrome/107.0.5304.141 Mobile Safari/537.36 XWEB/5061 MicroMessenger/8.0.33")).toEqual(["WeChat", "Chromium", 107]);
    expect(of("Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.38")).toEqual(["WeChat", "Safari", 16]);
    expect(of("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toEqual(["Firefox", "Firefox", 140]);
    expect(ofBrowser(browserOf(CHROME.replace("120", "89"), true)).says).toBe("old");
    expect(ofBrowser(browserOf(CHROME.replace("120", "90"), true)).says).toBe("good");
    expect(ofBrowser(browserOf(CHROME, false)).verdict).toBe("bad");
  });
});

/** A connection that ends up as told. */
class Fake extends EventTarget {
  static made: { configuration: RTCConfiguration; closed: boolean }[] = [];
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  private readonly record: { configuration: RTCConfiguration; closed: boolean };

  constructor(configuration: RTCConfiguration, private readonly ends: string) {
    super();
    this.record = { configuration, closed: false };
    Fake.made.push(this.record);
  }

  addTransceiver() {}
  createOffer() { return Promise.resolve({ sdp: "offer" }); }
  setLocalDescription(description: { sdp: string }) { this.localDescription = description; return Promise.resolve(); }
  setRemoteDescription() {
    setTimeout(() => { this.connectionState = this.ends; this.dispatchEvent(new Event("connectionstatechange")); }, 5);
    return Promise.resolve();
  }
  close() { this.record.closed = true; }
}

function environment(ends: string, candidates = 1, iceServers: RTCIceServer[] = []): ProbeEnvironment {
  return { create: (configuration) => new Fake(configuration, ends) as unknown as RTCPeerConnection, answer: () => Promise.resolve({ sdp: "answer", candidates }), iceServers };
}

describe("a probe", () => {
  it("works when it connects and fails when it does not, and is closed either way", async () => {
    Fake.made = [];
    expect(await probe("udp", environment("connected"))).toBe("works");
    expect(await probe("udp", environment("failed"))).toBe("fails");
    expect(Fake.made.map((one) => one.closed)).toEqual([true, true]);
    expect(Fake.made[0]?.configuration.iceTransportPolicy).toBe("all");
  });

  it("gives up after ten seconds", async () => {
    vi.useFakeTimers();
    const result = probe("tcp", environment("checking"));
    await vi.advanceTimersByTimeAsync(10_100);
    expect(await result).toBe("fails");
    vi.useRealTimers();
  });

  it("is off where the server offers nothing, and unknown where it cannot be asked", async () => {
    expect(await probe("tcp", environment("connected", 0))).toBe("off");
    expect(await probe("turn", environment("connected"))).toBe("off");
    expect(await probe("udp", { ...environment("connected"), answer: () => Promise.reject(new Error("503")) })).toBe("unknown");
  });

  it("allows itself only relays when it tests the relay", async () => {
    Fake.made = [];
    const servers = [{ urls: ["turn:meet.example:8443?transport=udp", "turns:meet.example:8443?transport=tcp"], username: "u", credential: "c" }];
    const byTls = [{ urls: ["turns:meet.example:8443?transport=tcp"], username: "u", credential: "c" }];
    expect(await probe("turn", environment("connected", 1, servers))).toBe("works");
    expect(Fake.made[0]?.configuration).toMatchObject({ iceTransportPolicy: "relay", iceServers: byTls });
  });
});
