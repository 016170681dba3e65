/** Cameras, microphones and screens: asking for them, and saying in one word what went wrong. */
import { LAYERED_SIZE, SINGLE_SIZE } from "./codecs";

export type DeviceKind = "camera" | "microphone" | "screen";

/** Each has a sentence in the locale files that says what to do. */
export type DeviceProblem =
  | "denied"
  | "denied_by_system"
  | "taken"
  | "missing"
  | "insecure"
  | "unsupported"
  | "cancelled"
  | "other";

export class DeviceError extends Error {
  constructor(
    readonly kind: DeviceKind,
    readonly problem: DeviceProblem,
  ) {
    super(`${kind}: ${problem}`);
    this.name = "DeviceError";
  }
}

/** RFC-less territory: names from the Media Capture and Screen Capture specifications, and old ones. */
export function problemOf(error: unknown, kind: DeviceKind): DeviceProblem {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  const message = error instanceof Error || error instanceof DOMException ? error.message : "";
  switch (name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
    case "SecurityError":
      if (/system/i.test(message)) return "denied_by_system";
      return kind === "screen" ? "cancelled" : "denied";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "taken";
    case "TypeError":
    case "NotSupportedError":
      return "unsupported";
    default:
      return "other";
  }
}

export interface MediaOptions {
  /** Echo cancellation and noise suppression off, so that a test tone arrives as it was. */
  rawAudio: boolean;
}

function devices(kind: DeviceKind): MediaDevices {
  const found = navigator.mediaDevices as MediaDevices | undefined;
  if (!found || typeof found.getUserMedia !== "function") {
    throw new DeviceError(kind, window.isSecureContext ? "unsupported" : "insecure");
  }
  return found;
}

async function open(kind: "camera" | "microphone", constraints: MediaTrackConstraints): Promise<MediaStreamTrack> {
  const from = devices(kind);
  const ask = (with_: MediaTrackConstraints) =>
    from.getUserMedia(kind === "camera" ? { video: with_ } : { audio: with_ });
  let stream: MediaStream;
  try {
    stream = await ask(constraints);
  } catch (error) {
    // The remembered device was unplugged: take whichever is there.
    if (problemOf(error, kind) !== "missing" || !constraints.deviceId) throw new DeviceError(kind, problemOf(error, kind));
    try {
      stream = await ask({ ...constraints, deviceId: undefined });
    } catch (second) {
      throw new DeviceError(kind, problemOf(second, kind));
    }
  }
  const track = stream.getTracks()[0];
  if (!track) throw new DeviceError(kind, "missing");
  return track;
}

export function openMicrophone(deviceId: string | undefined, options: MediaOptions): Promise<MediaStreamTrack> {
  const processed = !options.rawAudio;
  return open("microphone", {
    ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
    echoCancellation: processed,
    noiseSuppression: processed,
    autoGainControl: processed,
    channelCount: 1,
  });
}

export function openCamera(deviceId: string | undefined, layered: boolean): Promise<MediaStreamTrack> {
  const size = layered ? LAYERED_SIZE : SINGLE_SIZE;
  return open("camera", {
    ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
    width: { ideal: size.width },
    height: { ideal: size.height },
    frameRate: { ideal: size.frameRate, max: 30 },
  });
}

export function canShareScreen(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

export interface ScreenTracks {
  video: MediaStreamTrack;
  audio: MediaStreamTrack | null;
}

export async function openScreen(): Promise<ScreenTracks> {
  const from = devices("screen");
  if (!canShareScreen()) throw new DeviceError("screen", "unsupported");
  try {
    const stream = await from.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true });
    const video = stream.getVideoTracks()[0];
    if (!video) throw new DeviceError("screen", "missing");
    // Slides and documents: sharp rather than smooth.
    if ("contentHint" in video) video.contentHint = "detail";
    return { video, audio: stream.getAudioTracks()[0] ?? null };
  } catch (error) {
    throw error instanceof DeviceError ? error : new DeviceError("screen", problemOf(error, "screen"));
  }
}

export interface DeviceChoice {
  id: string;
  label: string;
}

export interface DeviceLists {
  cameras: DeviceChoice[];
  microphones: DeviceChoice[];
  speakers: DeviceChoice[];
}

/** Names are there only after a permission was given. */
export async function listDevices(): Promise<DeviceLists> {
  const lists: DeviceLists = { cameras: [], microphones: [], speakers: [] };
  if (typeof navigator.mediaDevices?.enumerateDevices !== "function") return lists;
  const target = { videoinput: lists.cameras, audioinput: lists.microphones, audiooutput: lists.speakers };
  for (const device of await navigator.mediaDevices.enumerateDevices()) {
    if (device.deviceId) target[device.kind].push({ id: device.deviceId, label: device.label });
  }
  return lists;
}

export function canChooseSpeaker(): boolean {
  return "setSinkId" in HTMLMediaElement.prototype;
}
