/** Tells the layers inside a stream apart. */
export const DEPENDENCY_DESCRIPTOR =
  "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/** Of use only where there is no transport-wide feedback. */
const SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";

/**
 * Only the copy that is sent is thinned, never the local description: a frame holds 64 KiB, and a
 * room of forty has some eighty m-lines.
 */
const KEPT_EXTENSIONS = [
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "urn:ietf:params:rtp-hdrext:sdes:mid",
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  SEND_TIME,
  TRANSPORT_CC,
  "urn:3gpp:video-orientation",
  DEPENDENCY_DESCRIPTOR,
];

/**
 * Asks for lost voices too. libwebrtc never offers NACK for audio, but asks and answers where the
 * other side has it; RED tells it from other browsers.
 */
export function withAudioNack(sdp: string): string {
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => {
      const opus = /^a=rtpmap:(\d+) opus\/48000\/2\r?$/m.exec(section);
      const type = opus?.[1];
      if (!opus || !type || !section.startsWith("m=audio") || !/^a=rtpmap:\d+ red\/48000/m.test(section)) return section;
      if (new RegExp(`^a=rtcp-fb:${type} nack\r?$`, "m").test(section)) return section;
      return section.replace(`a=rtpmap:${type} opus/48000/2\r\n`, (line) => `${line}a=rtcp-fb:${type} nack\r\n`);
    })
    .join("");
}

/** Said once for the whole transport (RFC 9143): the first m-line's counts. */
const TRANSPORT = ["a=ice-ufrag:", "a=ice-pwd:", "a=ice-options:", "a=fingerprint:", "a=setup:", "a=rtcp:"];
/** Of use to who sends only. */
const SENDERS = [
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
];

const FEEDBACK = /^a=rtcp-fb:(\d+) (.*)$/;

/** Feedback of one m-line: said once for all payload types where it is the same for them. */
function feedback(lines: readonly string[]): Map<string, string[]> {
  const types = /^m=\S+ \S+ \S+ (.*)$/.exec(lines[0] ?? "")?.[1]?.split(" ") ?? [];
  const said = new Map<string, string[]>();
  for (const line of lines) {
    const [, type, what] = FEEDBACK.exec(line) ?? [];
    // The server sends no REMB and takes none.
    if (type && what && what !== "goog-remb" && types.includes(type)) said.set(type, [...(said.get(type) ?? []), what]);
  }
  const media = types.filter((type) => !lines.some((line) => line.startsWith(`a=rtpmap:${type} rtx/`)));
  const [first, ...others] = media.map((type) => (said.get(type) ?? []).join("\n"));
  if (!first || media.length < 2 || others.some((other) => other !== first)) return said;
  return new Map([["*", first.split("\n")]]);
}

function slimSection(section: string, at: number): string {
  const lines = section.split("\r\n");
  const receives = lines.includes("a=recvonly");
  const timed = lines.some((line) => line.startsWith("a=extmap:") && line.includes(` ${TRANSPORT_CC}`));
  const kept = lines.filter((line) => {
    if (line.startsWith("a=candidate:") || line === "a=end-of-candidates" || FEEDBACK.test(line)) return false;
    if (at > 1 && TRANSPORT.some((start) => line.startsWith(start))) return false;
    if (receives && timed && line.includes(` ${SEND_TIME}`)) return false;
    if (receives && (line.startsWith("a=ssrc:") || SENDERS.some((uri) => line.includes(` ${uri}`)))) return false;
    if (line.startsWith("a=extmap:")) return KEPT_EXTENSIONS.some((uri) => line.includes(` ${uri}`));
    return !(at > 0 && line === "a=extmap-allow-mixed") && !line.startsWith("a=rtcp-xr:");
  });
  const said = [...feedback(lines)].flatMap(([type, all]) => all.map((what) => `a=rtcp-fb:${type} ${what}`));
  // Before what ends the section.
  kept.splice(kept.at(-1) === "" ? -1 : kept.length, 0, ...said);
  return kept.join("\r\n");
}

/**
 * An ICE-lite server finds the client by its checks: host candidates only tell it private addresses.
 */
export function slimOffer(sdp: string): string {
  return sdp.split(/(?=^m=)/m).map(slimSection).join("");
}
