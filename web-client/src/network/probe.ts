/**
 * Tries one way of media for real: a peer connection that carries nothing, answered by the server
 * with the addresses of that way alone. Connected (ICE and DTLS) means the way works.
 */
import type { PathOutcome } from "./checks";

export type Way = "udp" | "tcp" | "turn";

export interface ProbeAnswer {
  sdp: string;
  candidates: number;
}

export interface ProbeEnvironment {
  create(configuration: RTCConfiguration): RTCPeerConnection;
  answer(sdp: string, way: Way): Promise<ProbeAnswer>;
  iceServers: RTCIceServer[];
}

const LIMIT_MS = 10_000;

export async function probe(way: Way, environment: ProbeEnvironment): Promise<PathOutcome> {
  const relayed = way === "turn";
  const relays = relayed ? overTls(environment.iceServers) : [];
  if (relayed && relays.length === 0) return "off";
  const pc = environment.create({
    iceServers: relays,
    iceTransportPolicy: relayed ? "relay" : "all",
    bundlePolicy: "max-bundle",
  });
  try {
    pc.addTransceiver("audio", { direction: "recvonly" });
    await pc.setLocalDescription(await pc.createOffer());
    const sdp = pc.localDescription?.sdp;
    if (!sdp) return "unknown";
    let answer: ProbeAnswer;
    try {
      answer = await environment.answer(sdp, way);
    } catch {
      // The server could not be asked: that says nothing about the way.
      return "unknown";
    }
    if (answer.candidates === 0) return "off";
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    return (await connected(pc)) ? "works" : "fails";
  } catch {
    return "unknown";
  } finally {
    pc.close();
  }
}

/** The relay by TLS is the last resort, so that is what is tested. */
function overTls(servers: readonly RTCIceServer[]): RTCIceServer[] {
  return servers
    .map((one) => ({ ...one, urls: (Array.isArray(one.urls) ? one.urls : [one.urls]).filter((url) => url.startsWith("turns:")) }))
    .filter((one) => one.urls.length > 0);
}

function connected(pc: RTCPeerConnection): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (works: boolean) => {
      clearTimeout(timer);
      pc.removeEventListener("connectionstatechange", look);
      resolve(works);
    };
    const look = () => {
      if (pc.connectionState === "connected") done(true);
      else if (pc.connectionState === "failed" || pc.connectionState === "closed") done(false);
    };
    const timer = setTimeout(() => done(false), LIMIT_MS);
    pc.addEventListener("connectionstatechange", look);
    look();
  });
}
