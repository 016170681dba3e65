import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer, Offer } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import { FakePeerConnection } from "@/dev/fakePeer";
import type { Codec } from "./codecs";
import { PeerManager, trackKey, type PeerOptions, type RemoteTrack } from "./peer";

const track = (kind: "audio" | "video", name: string, height = 720) =>
  ({ kind, id: name, getSettings: () => ({ height }), applyConstraints: async () => undefined }) as unknown as MediaStreamTrack;

const CODECS = {
  audio: [{ mimeType: "audio/opus", clockRate: 48_000 }, { mimeType: "audio/red", clockRate: 48_000 }, { mimeType: "audio/G722", clockRate: 8_000 }],
  video: [{ mimeType: "video/H264", clockRate: 90_000 }, { mimeType: "video/VP8", clockRate: 90_000 }, { mimeType: "video/rtx", clockRate: 90_000 }],
};

let pc: FakePeerConnection;
let offers: Offer[];
let reply: (offer: Offer) => Promise<Answer>;
let probe: () => Promise<void>;

function manager(part: Partial<PeerOptions> = {}) {
  return new PeerManager({
    create: () => pc as unknown as RTCPeerConnection,
    offer: (offer) => {
      offers.push(offer);
      return reply(offer);
    },
    probe: () => probe(),
    codecs: (kind) => CODECS[kind],
    simulcast: true,
    ...part,
  });
}

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  pc = new FakePeerConnection((kind, at) => track(kind, `remote${at}`));
  offers = [];
  reply = async () => ({ sdp: "answer", assignments: [] });
  probe = async () => undefined;
});
afterEach(() => vi.useRealTimers());

describe("offering", () => {
  it("puts own tracks and slots of one turn into one offer and names what it sends", async () => {
    const peer = manager();
    void peer.publish("microphone", track("audio", "mic"));
    void peer.publish("camera", track("video", "cam"));
    peer.setSlots(2, 2);
    await settle();
    expect(offers).toHaveLength(1);
    expect(offers[0]?.publications).toEqual([{ mid: "0", source: "microphone" }, { mid: "1", source: "camera" }]);
    expect(pc.transceivers.map((one) => `${one.kind} ${one.direction}`)).toEqual([
      "audio sendonly", "video sendonly", "audio recvonly", "audio recvonly", "video recvonly", "video recvonly",
    ]);
  });

  it("sends no offer when there is nothing to send or receive", async () => {
    manager().setSlots(0, 0);
    await settle();
    expect(offers).toHaveLength(0);
  });

  it("adds only the slots that are missing, and never takes any away", async () => {
    const peer = manager();
    peer.setSlots(1, 1);
    await settle();
    peer.setSlots(1, 3);
    peer.setSlots(0, 0);
    await settle();
    expect(pc.transceivers).toHaveLength(4);
    expect(offers).toHaveLength(2);
  });

  it("never has two offers on the way", async () => {
    let release: (answer: Answer) => void = () => undefined;
    reply = () => new Promise((resolve) => (release = resolve));
    const peer = manager();
    peer.setSlots(1, 0);
    await settle();
    peer.setSlots(2, 0);
    peer.setSlots(3, 0);
    await settle();
    expect(offers).toHaveLength(1);
    release({ sdp: "", assignments: [] });
    await settle();
    expect(offers).toHaveLength(2);
    expect(pc.transceivers).toHaveLength(3);
  });

  it("prefers RED before Opus and VP8 with RTX, and sends nothing else", async () => {
    const peer = manager();
    void peer.publish("camera", track("video", "cam"));
    peer.setSlots(1, 0);
    await settle();
    expect(pc.transceivers.map((one) => one.codecs)).toEqual([["video/VP8", "video/rtx"], ["audio/red", "audio/opus"]]);
  });

  /** As Chromium lists them. */
  const form = (mimeType: string, sdpFmtpLine?: string) => ({ mimeType, clockRate: 90_000, ...(sdpFmtpLine ? { sdpFmtpLine } : {}) });
  const h264 = (profile: string, mode = 1) =>
    form("video/H264", `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`);
  const MANY = [
    h264("42001f"), h264("42e01f", 0), h264("42e01f"), h264("64001f"), ...CODECS.video.slice(1),
    form("video/AV1", "level-idx=5;profile=1;tier=0"), form("video/AV1", "level-idx=5;profile=0;tier=0"),
    form("video/VP9", "profile-id=2"), form("video/VP9", "profile-id=0"),
  ];
  let preferences: Codec[][];
  const keeping = () => {
    preferences = [];
    const add = pc.addTransceiver.bind(pc);
    pc.addTransceiver = (what, init) => {
      const made = add(what, init);
      made.setCodecPreferences = (codecs) => void preferences.push(codecs as Codec[]);
      return made;
    };
  };
  const lines = (codecs: Codec[] | undefined) => codecs?.map((one) => [one.mimeType, one.sdpFmtpLine].filter(Boolean).join(" "));

  it("takes in a slot what others may send, in one form of each", async () => {
    keeping();
    manager({ codecs: (kind) => (kind === "video" ? MANY : CODECS.audio) }).setSlots(0, 1);
    await settle();
    expect(lines(preferences[0])).toEqual([
      "video/VP8", "video/VP9 profile-id=0", "video/AV1 level-idx=5;profile=0;tier=0",
      "video/H264 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "video/rtx",
    ]);
  });

  it("asks for the descriptors of layers in what it receives, where the browser knows them", async () => {
    const uri = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
    const asked: unknown[] = [];
    const add = pc.addTransceiver.bind(pc);
    pc.addTransceiver = (what, init) =>
      Object.assign(add(what, init), {
        getHeaderExtensionsToNegotiate: () => [{ uri: "urn:a", direction: "stopped" }, { uri, direction: "stopped" }],
        setHeaderExtensionsToNegotiate: (all: unknown) => asked.push(all),
      });
    manager().setSlots(1, 1);
    await settle();
    expect(asked).toEqual([[{ uri: "urn:a", direction: "stopped" }, { uri, direction: "sendrecv" }]]);
  });

  it("offers a shared screen in VP9, else AV1, else VP8, and a camera in VP8", async () => {
    keeping();
    const peer = manager({ codecs: (kind) => (kind === "video" ? MANY : CODECS.audio) });
    void peer.publish("screen", track("video", "screen"));
    void peer.publish("camera", track("video", "cam"));
    await settle();
    expect(lines(preferences[0])).toEqual([
      "video/VP9 profile-id=0", "video/AV1 level-idx=5;profile=0;tier=0", "video/VP8", "video/rtx",
    ]);
    expect(lines(preferences[1])).toEqual(["video/VP8", "video/rtx"]);
  });

  it("offers the same again when the server chose another codec", async () => {
    const peer = manager();
    await peer.publish("screen", track("video", "screen"));
    await peer.offerAgain();
    expect(offers.map((offer) => offer.publications)).toEqual([[{ mid: "0", source: "screen" }], [{ mid: "0", source: "screen" }]]);
    expect(pc.transceivers).toHaveLength(1);
  });

  it("tells the server no private address", async () => {
    manager().setSlots(1, 0);
    await settle();
    expect(pc.localDescription?.sdp).toContain("a=candidate");
    expect(offers[0]?.sdp).not.toContain("a=candidate");
  });

  it("keeps the m-line when a source goes off and comes back", async () => {
    const peer = manager();
    await peer.publish("camera", track("video", "one"));
    await peer.silence("camera");
    expect(pc.transceivers[0]?.sender.track).toBeNull();
    await peer.publish("camera", track("video", "two"));
    expect(pc.transceivers[0]?.sender.track?.id).toBe("two");
    expect(offers).toHaveLength(1);
  });
});

describe("receiving", () => {
  it("shows on each slot whom the map names, and follows when a slot is reused", async () => {
    const seen: ReadonlyMap<string, RemoteTrack>[] = [];
    reply = async () => ({ sdp: "", assignments: [{ mid: "1", participant: "zhao", source: "camera" }] });
    const peer = manager();
    peer.on("tracks", (tracks) => seen.push(tracks));
    peer.setSlots(1, 1);
    await settle();
    expect(seen[seen.length - 1]?.get(trackKey("zhao", "camera"))?.track.id).toBe("remote1");
    peer.setAssignments([{ mid: "1", participant: "qian", source: "screen" }, { mid: "9", participant: "sun", source: "camera" }]);
    expect([...(seen[seen.length - 1]?.keys() ?? [])]).toEqual(["qian/screen"]);
  });
});

describe("trouble", () => {
  it("shows the newer of two slots while a person changes to another device", async () => {
    const peer = manager();
    let shown: ReadonlyMap<string, RemoteTrack> = new Map();
    peer.on("tracks", (map) => (shown = map));
    peer.setSlots(0, 2);
    await settle();
    const at = (mid: string) => ({ mid, participant: "p", source: "camera" as const });
    const mid = () => shown.get(trackKey("p", "camera"))?.mid;
    peer.setAssignments([at("1")]);
    expect(mid()).toBe("1");
    peer.setAssignments([at("0"), at("1")]);
    expect(mid()).toBe("0");
    peer.setAssignments([at("1")]);
    expect(mid()).toBe("1");
  });

  it("rolls back an offer that could not be sent, and sends a new one after the welcome", async () => {
    reply = async () => Promise.reject(new RequestError("disconnected", ""));
    const peer = manager();
    peer.setSlots(1, 0);
    await settle();
    expect(pc.rollbacks).toBe(1);
    expect(offers).toHaveLength(1);
    reply = async () => ({ sdp: "", assignments: [] });
    peer.resume();
    await settle();
    expect(offers).toHaveLength(2);
    expect(pc.transceivers).toHaveLength(1);
  });

  it("asks a busy server again after the pause it named", async () => {
    reply = async () => Promise.reject(new RequestError("rate_limited", "", 700));
    const peer = manager();
    peer.setSlots(1, 0);
    await settle();
    reply = async () => ({ sdp: "", assignments: [] });
    await vi.advanceTimersByTimeAsync(600);
    expect(offers).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(offers).toHaveLength(2);
  });

  it("reports an offer that the server does not take, and does not repeat it", async () => {
    const refused = vi.fn();
    reply = async () => Promise.reject(new RequestError("invalid_sdp", "无法识别"));
    const peer = manager();
    peer.on("refused", refused);
    peer.setSlots(1, 0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(refused).toHaveBeenCalledTimes(1);
    expect(offers).toHaveLength(1);
  });

  it("restarts ICE when the connection fails, again while nothing connects, and then gives up", async () => {
    const lost = vi.fn();
    const peer = manager();
    peer.on("lost", lost);
    peer.setSlots(1, 0);
    await settle();
    pc.become("connected");
    pc.become("failed");
    await settle();
    expect(pc.offers.map((one) => one.iceRestart)).toEqual([false, true]);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(pc.offers).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(pc.offers).toHaveLength(4);
    expect(lost).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(lost).toHaveBeenCalledTimes(1);
    expect(pc.offers).toHaveLength(4);
  });

  it("needs a new connection at once when the server has given up the old one", async () => {
    const lost = vi.fn();
    const peer = manager();
    peer.on("lost", lost);
    peer.setSlots(2, 3);
    await settle();
    peer.transportGone();
    expect(lost).toHaveBeenCalledTimes(1);
    expect(peer.slotsWanted).toEqual({ audio: 2, video: 3 });
    peer.close();
    peer.transportGone();
    expect(lost).toHaveBeenCalledTimes(1);
  });

  describe("when what flowed stands still", () => {
    let flows: boolean;
    let peer: PeerManager;

    beforeEach(async () => {
      flows = true;
      peer = manager();
      peer.setSlots(1, 0);
      await settle();
      let bytes = 1;
      pc.transceivers[0]!.receiver.getStats = async () => {
        bytes += flows ? 900 : 0;
        return new Map([["T", { type: "transport", bytesReceived: bytes }]]);
      };
      pc.become("connected");
      await vi.advanceTimersByTimeAsync(5_000);
      expect(pc.offers).toHaveLength(1);
      flows = false;
    });
    afterEach(() => peer.close());

    it("looks for another way one second later, if the server answers", async () => {
      await vi.advanceTimersByTimeAsync(900);
      expect(pc.offers).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(400);
      expect(pc.offers.map((one) => one.iceRestart)).toEqual([false, true]);
    });

    it("waits half a second only when the machine's network has just changed", async () => {
      peer.networkChanged();
      await vi.advanceTimersByTimeAsync(800);
      expect(pc.offers).toHaveLength(2);
    });

    it("keeps the credentials while the line is dead: the browser may find the new way with them", async () => {
      probe = () => Promise.reject(new RequestError("disconnected", ""));
      await vi.advanceTimersByTimeAsync(1_500);
      expect(pc.offers).toHaveLength(1);
      flows = true;
      await vi.advanceTimersByTimeAsync(500);
      peer.resume();
      await settle();
      expect(pc.offers).toHaveLength(1);
    });

    it("restarts ICE when the line is back and still nothing flows", async () => {
      probe = () => Promise.reject(new RequestError("disconnected", ""));
      await vi.advanceTimersByTimeAsync(1_500);
      peer.resume();
      await settle();
      expect(pc.offers.map((one) => one.iceRestart)).toEqual([false, true]);
    });
  });

  it("gives an interruption a moment before it restarts ICE", async () => {
    const peer = manager();
    peer.setSlots(1, 0);
    await settle();
    pc.become("connected");
    pc.become("disconnected");
    await vi.advanceTimersByTimeAsync(200);
    pc.become("connected");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pc.offers).toHaveLength(1);
    pc.become("disconnected");
    await vi.advanceTimersByTimeAsync(400);
    expect(pc.offers).toHaveLength(2);
  });
});

describe("camera layers", () => {
  const active = () => pc.transceivers[0]?.sender.getParameters().encodings.map((one) => [one.rid, one.active]);

  it("are one picture for two viewers and three for more, without a new offer", async () => {
    const peer = manager();
    await peer.publish("camera", track("video", "cam"));
    expect(active()).toEqual([["f", true], ["h", false], ["q", false]]);
    await peer.setOthers(3);
    expect(active()).toEqual([["f", true], ["h", true], ["q", true]]);
    await peer.setOthers(2);
    expect(active()).toEqual([["f", true], ["h", false], ["q", false]]);
    expect(offers).toHaveLength(1);
  });

  it("are set again after an answer, which switches paused layers on", async () => {
    pc.answerActivates = true;
    const peer = manager();
    await peer.publish("camera", track("video", "cam"));
    expect(active()).toEqual([["f", true], ["h", false], ["q", false]]);
  });

  it("stay one picture when the camera has too few lines for three", async () => {
    const peer = manager();
    await peer.publish("camera", track("video", "cam", 360));
    await peer.setOthers(8);
    expect(active()).toEqual([["f", true], ["h", false], ["q", false]]);
  });

  it("are switched off and on as the server says they are of use", async () => {
    const peer = manager();
    await peer.publish("camera", track("video", "cam"));
    await peer.setOthers(8);
    await peer.setUseful("camera", [true, false, false]);
    expect(active()).toEqual([["f", false], ["h", false], ["q", true]]);
    await peer.setUseful("camera", [true, false, true]);
    expect(active()).toEqual([["f", true], ["h", false], ["q", true]]);
    // One picture serves all that there are; it goes off when nobody looks.
    await peer.setOthers(1);
    expect(active()).toEqual([["f", true], ["h", false], ["q", false]]);
    await peer.setUseful("camera", [false, false, false]);
    expect(active()).toEqual([["f", false], ["h", false], ["q", false]]);
  });

  it("are as the server said last, though the browser takes its time or refuses once", async () => {
    const peer = manager();
    await peer.publish("camera", track("video", "cam"));
    const sender = pc.transceivers[0]!.sender;
    const apply = sender.setParameters;
    let refuse = true;
    sender.setParameters = async (parameters) => {
      await new Promise((done) => setTimeout(done, 20));
      if (refuse) {
        refuse = false;
        throw new DOMException("later", "InvalidModificationError");
      }
      await apply(parameters);
    };
    void peer.setUseful("camera", [false, false, false]);
    void peer.setUseful("camera", [true, false, false]);
    await vi.advanceTimersByTimeAsync(5);
    void peer.setUseful("camera", [false, false, false]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(active()).toEqual([["f", false], ["h", false], ["q", false]]);
    void peer.setUseful("camera", [true, true, true]);
    await vi.advanceTimersByTimeAsync(5);
    void peer.setUseful("camera", [false, false, false]);
    await vi.advanceTimersByTimeAsync(5);
    void peer.setUseful("camera", [true, false, false]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(active()).toEqual([["f", true], ["h", false], ["q", false]]);
  });

  it("are one plain encoding when simulcast is switched off", async () => {
    const peer = manager({ simulcast: false });
    await peer.publish("camera", track("video", "cam"));
    await peer.setOthers(8);
    expect(active()).toEqual([[undefined, true]]);
  });
});
