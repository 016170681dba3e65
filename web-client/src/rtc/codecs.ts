/** Which codecs are offered, in which order: RED before Opus, VP8 with its RTX, nothing else. */

export interface Codec {
  mimeType: string;
  clockRate: number;
  channels?: number;
  sdpFmtpLine?: string;
}

const AUDIO = ["audio/red", "audio/opus"];
const VIDEO = ["video/vp8", "video/rtx"];

/**
 * The wanted codecs of those that the browser has, best first; empty when the main one is missing,
 * and then the browser's own order stands.
 */
export function preferred(kind: "audio" | "video", available: readonly Codec[]): Codec[] {
  const wanted = kind === "audio" ? AUDIO : VIDEO;
  const main = kind === "audio" ? "audio/opus" : "video/vp8";
  const chosen = wanted.flatMap((mime) => available.filter((codec) => codec.mimeType.toLowerCase() === mime));
  return chosen.some((codec) => codec.mimeType.toLowerCase() === main) ? chosen : [];
}

const isH264 = (codec: Codec) =>
  codec.mimeType.toLowerCase() === "video/h264"
  && /packetization-mode=1/.test(codec.sdpFmtpLine ?? "")
  && /profile-level-id=42e0/i.test(codec.sdpFmtpLine ?? "");

/**
 * What a slot takes: besides what we send ourselves the one form of H.264 that every browser with
 * H.264 decodes, for encoders that publish by WHIP. One payload type: an offer has many slots.
 */
export function receivable(kind: "audio" | "video", available: readonly Codec[]): Codec[] {
  const own = preferred(kind, available);
  const h264 = kind === "video" ? available.find(isH264) : undefined;
  if (own.length === 0 || !h264) return own;
  return own.flatMap((codec) => (codec.mimeType.toLowerCase() === "video/rtx" ? [h264, codec] : [codec]));
}

export interface Encoding {
  rid: string;
  active: boolean;
  scaleResolutionDownBy: number;
  maxBitrate: number;
  maxFramerate: number;
}

/** Lines the camera is asked for: enough for three layers (libwebrtc sends three from 540 on). */
export const SINGLE_SIZE = { width: 640, height: 360, frameRate: 15 };
export const LAYERED_SIZE = { width: 960, height: 540, frameRate: 15 };

/** Up to this many others, one picture of 360 lines serves all. */
export const SINGLE_UP_TO = 2;

/**
 * Three layers stand in the offer from the start and are switched on and off afterwards, so that a
 * third viewer costs no new m-line and nobody's picture freezes.
 */
export function cameraEncodings(layered: boolean): Encoding[] {
  // Best first: a browser or server that takes only one layer keeps the first.
  return [
    { rid: "f", active: true, scaleResolutionDownBy: 1, maxBitrate: layered ? 800_000 : 500_000, maxFramerate: 15 },
    { rid: "h", active: layered, scaleResolutionDownBy: 2, maxBitrate: 250_000, maxFramerate: 15 },
    { rid: "q", active: layered, scaleResolutionDownBy: 4, maxBitrate: 100_000, maxFramerate: 15 },
  ];
}

/**
 * The same, with those switched off that the server said nobody needs (`useful`: lowest layer
 * first). One picture serves all: it goes off only when nobody needs any.
 */
export function usefulEncodings(layered: boolean, useful: readonly boolean[] | undefined): Encoding[] {
  const all = cameraEncodings(layered);
  if (!useful) return all;
  return all.map((encoding, at) => ({
    ...encoding,
    active: encoding.active && (layered ? useful[all.length - 1 - at] === true : useful.includes(true)),
  }));
}

export const SINGLE_ENCODING = { active: true, maxBitrate: 500_000, maxFramerate: 15 };
export const SCREEN_ENCODING = { active: true, maxBitrate: 2_500_000, maxFramerate: 15 };
