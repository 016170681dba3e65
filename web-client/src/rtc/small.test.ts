import { describe, expect, it } from "vitest";
import { readFlags } from "./flags";
import { problemOf } from "./media";
import { levelOf } from "./meter";
import { slimOffer, withAudioNack } from "./sdp";

const named = (name: string, message = "") => new DOMException(message, name);

describe("what went wrong with a device", () => {
  it.each([
    ["NotAllowedError", "", "denied"],
    ["NotAllowedError", "Permission denied by system", "denied_by_system"],
    ["NotReadableError", "", "taken"],
    ["AbortError", "", "taken"],
    ["NotFoundError", "", "missing"],
    ["OverconstrainedError", "", "missing"],
    ["NotSupportedError", "", "unsupported"],
    ["Strange", "", "other"],
  ])("%s (%s) is %s", (name, message, problem) => {
    expect(problemOf(named(name, message), "camera")).toBe(problem);
  });

  it("does not call a closed sharing dialog a problem", () => {
    expect(problemOf(named("NotAllowedError"), "screen")).toBe("cancelled");
  });
});

describe("loudness", () => {
  it("is nothing for silence, full for a loud voice, and between for a low one", () => {
    expect(levelOf(new Float32Array(64))).toBe(0);
    expect(levelOf(new Float32Array(64).fill(0.9))).toBe(1);
    const low = levelOf(new Float32Array(64).fill(0.02));
    expect(low).toBeGreaterThan(0.3);
    expect(low).toBeLessThan(0.7);
  });
});

describe("the offer that is sent", () => {
  it("loses candidates and unused extensions, and keeps the rest as it was", () => {
    const kept = ["v=0", "m=audio 9 X 111", "a=mid:0", "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid", "a=ssrc:1 cname:x", ""];
    const dropped = ["a=candidate:1 1 udp 1 10.0.0.1 9 typ host", "a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/color-space"];
    expect(slimOffer([...kept.slice(0, 2), ...dropped, ...kept.slice(2)].join("\r\n"))).toBe(kept.join("\r\n"));
  });

  it("says once for all m-lines and payload types what is the same for them", () => {
    const transport = ["a=rtcp:9 IN IP4 0.0.0.0", "a=ice-ufrag:u", "a=ice-pwd:p", "a=fingerprint:sha-256 AA", "a=setup:actpass"];
    const types = ["a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtpmap:98 VP9/90000"];
    const rid = "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    const fb = (type: string, all: string[]) => all.map((what) => `a=rtcp-fb:${type} ${what}`);
    const line = (mid: string, direction: string, feedback: string[]) =>
      ["m=video 9 X 96 97 98", ...transport, `a=mid:${mid}`, rid, direction, ...types, ...feedback];
    const said = [...fb("96", ["goog-remb", "nack", "nack pli"]), ...fb("98", ["nack", "nack pli"]), ...fb("123", ["nack"])];
    const differs = [...fb("96", ["nack"]), ...fb("98", ["nack pli"])];
    const full = ["v=0", ...line("0", "a=sendonly", said), ...line("1", "a=recvonly", differs), ""].join("\r\n");
    const slim = [
      "v=0",
      "m=video 9 X 96 97 98", ...transport, "a=mid:0", rid, "a=sendonly", ...types, ...fb("*", ["nack", "nack pli"]),
      "m=video 9 X 96 97 98", "a=mid:1", "a=recvonly", ...types, ...differs, "",
    ].join("\r\n");
    expect(slimOffer(full)).toBe(slim);
    expect(slimOffer(slim)).toBe(slim);
  });

  it("keeps what tells the layers inside a stream apart, and of clocks the one that is used", () => {
    const dd = "a=extmap:13 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
    const time = "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
    const wide = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    const offer = (...lines: string[]) => ["v=0", "a=extmap-allow-mixed", "m=video 9 X 98", "a=mid:0", dd, ...lines, ""].join("\r\n");
    expect(slimOffer(offer(time, "a=recvonly"))).toBe(offer(time, "a=recvonly"));
    expect(slimOffer(offer(time, wide, "a=sendonly"))).toBe(offer(time, wide, "a=sendonly"));
    expect(slimOffer(offer(time, wide, "a=recvonly"))).toBe(offer(wide, "a=recvonly"));
  });

  it("asks for lost voices where the browser has RED, once", () => {
    const audio = ["m=audio 9 X 63 111", "a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10"];
    const video = ["m=video 9 X 96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", ""];
    const offer = ["v=0", ...audio, ...video].join("\r\n");
    const asking = ["v=0", ...audio.slice(0, 4), "a=rtcp-fb:111 nack", ...audio.slice(4), ...video].join("\r\n");
    expect(withAudioNack(offer)).toBe(asking);
    expect(withAudioNack(asking)).toBe(asking);
    const firefox = offer.replace(/a=rtpmap:63.*\r\na=fmtp:63.*\r\n/, "");
    expect(withAudioNack(firefox)).toBe(firefox);
  });
});

describe("switches of the address", () => {
  it("are kept for the tab", () => {
    expect(readFlags("?debug&layers=1", null)).toEqual({ debug: true, simulcast: false, rawAudio: false });
    expect(readFlags("?raw", "single")).toEqual({ debug: false, simulcast: false, rawAudio: true });
    expect(readFlags("", "")).toEqual({ debug: false, simulcast: true, rawAudio: false });
  });
});
