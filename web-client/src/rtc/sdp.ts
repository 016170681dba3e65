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
