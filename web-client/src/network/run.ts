/** The whole test, step by step; each finding is told as soon as it is there. */
import { browserOf } from "./browser";
import { KEYS, ofBandwidth, ofBrowser, ofClock, ofDevice, ofPath, ofSecure, ofServer, ofWebsocket, running, type Check, type DeviceState, type Paths } from "./checks";
import { bandwidth, hello, websocket } from "./measure";
import { probe, type ProbeAnswer, type Way } from "./probe";

const WAYS: readonly Way[] = ["udp", "tcp", "turn"];

export const nothingYet = (): Check[] => KEYS.map(running);

export async function runTest(tell: (check: Check) => void): Promise<void> {
  const webrtc = typeof RTCPeerConnection === "function";
  const secure = window.isSecureContext;
  tell(ofBrowser(browserOf(navigator.userAgent, webrtc)));
  tell(ofSecure(secure));
  tell(ofDevice("camera", await deviceState("camera", secure)));
  tell(ofDevice("microphone", await deviceState("microphone", secure)));
  const server = await hello();
  tell(ofServer(server?.rttMs ?? null));
  tell(ofClock(server?.aheadMs ?? null));
  tell(ofWebsocket(await websocket(() => new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`))));
  const environment = {
    create: (configuration: RTCConfiguration) => new RTCPeerConnection(configuration),
    answer: askForAnswer,
    iceServers: server?.iceServers ?? [],
  };
  const outcomes = await Promise.all(WAYS.map((way) => (webrtc && server ? probe(way, environment) : Promise.resolve("unknown" as const))));
  const paths = Object.fromEntries(WAYS.map((way, at) => [way, outcomes[at]])) as unknown as Paths;
  const place = { host: location.hostname, port: location.port || (location.protocol === "https:" ? "443" : "80") };
  for (const way of WAYS) tell(ofPath(way, paths, place));
  const speed = server ? await bandwidth(server.rttMs) : { down: null, up: null };
  tell(ofBandwidth(speed.down, speed.up));
}

async function askForAnswer(sdp: string, way: Way): Promise<ProbeAnswer> {
  const response = await fetch("/api/network/probe", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sdp, way }),
  });
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()) as ProbeAnswer;
}

/** Asks for nothing: no permission question comes up. */
async function deviceState(kind: "camera" | "microphone", secure: boolean): Promise<DeviceState> {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!secure || !devices) return "insecure";
  try {
    const list = await devices.enumerateDevices();
    if (!list.some((one) => one.kind === (kind === "camera" ? "videoinput" : "audioinput"))) return "missing";
    // Not every browser can be asked about these two names.
    const status = await navigator.permissions.query({ name: kind as PermissionName });
    return status.state;
  } catch {
    return "unknown";
  }
}
