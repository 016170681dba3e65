/**
 * Which codecs are offered, in which order: RED before Opus; VP8 for cameras, because weak machines
 * encode several of it; for a shared screen what shows text best. The answer says which is sent.
 */

export interface Codec {
  mimeType: string;
  clockRate: number;
  channels?: number;
  sdpFmtpLine?: string;
}

const AUDIO = ["audio/red", "audio/opus"];
const VIDEO = ["video/vp8", "video/rtx"];

/** What an encoder or decoder of ours may be: one form of each codec, because an offer has many slots. */
const FORMS: Record<string, (parameters: string) => boolean> = {
  // 8 bits a sample, 4:2:0.
  "video/vp9": (parameters) => !/profile-id=[1-9]/.test(parameters),
  "video/av1": (parameters) => !/profile=[1-9]/.test(parameters),
  // The one form that every browser with H.264 decodes.
  "video/h264": (parameters) => /packetization-mode=1/.test(parameters) && /profile-level-id=42e0/i.test(parameters),
};

const formOf = (mime: string, available: readonly Codec[]): Codec | undefined =>
  available.find(
    (codec) => codec.mimeType.toLowerCase() === mime && (FORMS[mime]?.(codec.sdpFmtpLine ?? "") ?? true),
  );

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

/** VP8 among others, RTX last. */
function withVp8(before: readonly string[], after: readonly string[], available: readonly Codec[]): Codec[] {
  const [vp8, ...rtx] = preferred("video", available);
  if (!vp8) return [];
  const forms = (mimes: readonly string[]) => mimes.flatMap((mime) => formOf(mime, available) ?? []);
  return [...forms(before), vp8, ...forms(after), ...rtx];
}

/**
 * What a shared screen may be sent in, best first. VP9 before AV1: older machines decode it in
 * hardware, and encode it at half the cost.
 */
export function shareable(available: readonly Codec[]): Codec[] {
  return withVp8(["video/vp9", "video/av1"], [], available);
}

/**
 * What a slot takes: besides what we send ourselves H.264, for encoders that publish by WHIP.
 */
export function receivable(kind: "audio" | "video", available: readonly Codec[]): Codec[] {
  if (kind === "audio") return preferred(kind, available);
  return withVp8([], ["video/vp9", "video/av1", "video/h264"], available);
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
/** Three temporal layers: a viewer on a slow line gets fewer pictures, each as sharp. */
export const SCREEN_ENCODING = { active: true, maxBitrate: 2_500_000, maxFramerate: 15, scalabilityMode: "L1T3" };
