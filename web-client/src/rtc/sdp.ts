/**
 * Only the copy that is sent is thinned, never the local description: a frame holds 64 KiB, and a
 * room of forty has some eighty m-lines.
 */
const KEPT_EXTENSIONS = [
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "urn:ietf:params:rtp-hdrext:sdes:mid",
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
  "urn:3gpp:video-orientation",
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

/** An ICE-lite server finds the client by its checks: host candidates only tell it private addresses. */
export function slimOffer(sdp: string): string {
  return sdp
    .split("\r\n")
    .filter((line) => {
      if (line.startsWith("a=candidate:") || line === "a=end-of-candidates") return false;
      if (line.startsWith("a=extmap:")) return KEPT_EXTENSIONS.some((uri) => line.includes(` ${uri}`));
      // The server sends no REMB and takes none.
      if (line.startsWith("a=rtcp-fb:") && line.endsWith(" goog-remb")) return false;
      return !line.startsWith("a=extmap-allow-mixed");
    })
    .join("\r\n");
}
