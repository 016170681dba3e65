/**
 * The media connection: one RTCPeerConnection, and the client always offers (RFC 9429).
 *
 * Sending m-lines are added once per source and kept: switching a source off takes its track away,
 * it never renegotiates. Receiving m-lines are *slots*: as many as the server asks for, reused for
 * whoever comes; which person a slot carries is told by the map mid → (participant, source).
 */
import type { Answer, Assignment, Offer, Publication, Source } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import {
  cameraEncodings,
  LAYERED_SIZE,
  preferred,
  receivable,
  SCREEN_ENCODING,
  shareable,
  SINGLE_ENCODING,
  SINGLE_SIZE,
  SINGLE_UP_TO,
  usefulEncodings,
  type Codec,
} from "./codecs";
import { Emitter } from "./emitter";
import { CoalescingQueue } from "./queue";
import { LOOK_EVERY_MS, StallWatch } from "./stall";
import { DEPENDENCY_DESCRIPTOR, slimOffer, withAudioNack } from "./sdp";

export interface RemoteTrack {
  participant: string;
  source: Source;
  mid: string;
  track: MediaStreamTrack;
}

export interface PeerOptions {
  create: () => RTCPeerConnection;
  /** Sends the offer; rejects with a RequestError. */
  offer: (offer: Offer) => Promise<Answer>;
  /** Resolves when the server answers on the line; rejects when the line is dead too, and comes back by itself. */
  probe: () => Promise<void>;
  /** What this browser can receive; empty lists leave its own order. */
  codecs: (kind: "audio" | "video") => readonly Codec[];
  /** False: one encoding always (end-to-end tests, weak machines). */
  simulcast: boolean;
}

export interface PeerEvents {
  tracks: ReadonlyMap<string, RemoteTrack>;
  connected: boolean;
  /** ICE restarts did not help, or the server has given this one up: a new connection is needed. */
  lost: void;
  /** The server does not accept what this browser offers. */
  refused: RequestError;
}

/** The browser says so five seconds after the last packet: it has waited long enough. */
const DISCONNECTED_FOR_MS = 300;
/** ICE restarts follow each other at these pauses while nothing connects; then the connection is given up. */
const RESTART_PAUSES_MS = [2_500, 5_000, 5_000];
const APPLY_AGAIN_MS = 300;
const MAX_REFUSALS = 10;

export function trackKey(participant: string, source: Source): string {
  return `${participant}/${source}`;
}

/** As far as the browser has it (W3C WebRTC Extensions); types do not know it yet. */
interface ExtensionChoice {
  getHeaderExtensionsToNegotiate?: () => { uri: string; direction: string }[];
  setHeaderExtensionsToNegotiate?: (extensions: { uri: string; direction: string }[]) => void;
}

/**
 * A decoder of AV1 with spatial layers goes by their descriptors; Chromium leaves them out of an
 * offer unless it is asked.
 */
function takeLayers(transceiver: RTCRtpTransceiver): void {
  const choice = transceiver as unknown as ExtensionChoice;
  const all = choice.getHeaderExtensionsToNegotiate?.();
  if (!all?.some((one) => one.uri === DEPENDENCY_DESCRIPTOR)) return;
  choice.setHeaderExtensionsToNegotiate?.(
    all.map((one) => (one.uri === DEPENDENCY_DESCRIPTOR ? { ...one, direction: "sendrecv" } : one)),
  );
}

export class PeerManager extends Emitter<PeerEvents> {
  readonly pc: RTCPeerConnection;
  private readonly queue = new CoalescingQueue(() => this.negotiate());
  private readonly senders = new Map<Source, RTCRtpTransceiver>();
  private readonly slots: Record<"audio" | "video", RTCRtpTransceiver[]> = { audio: [], video: [] };
  private wanted = { audio: 0, video: 0 };
  private assignments: readonly Assignment[] = [];
  /** When each slot got what it carries; while a person changes devices two carry the same source. */
  private readonly since = new Map<string, { carries: string; at: number }>();
  private changes = 0;
  private iceRestart = false;
  /** Nothing flows, and the line has not answered since. */
  private doubtful = false;
  private dirty = false;
  private closed = false;
  private others = 0;
  /** By source: what the server said is of use, lowest layer first. */
  private readonly useful = new Map<Source, readonly boolean[]>();
  private readonly applying = new Map<Source, CoalescingQueue>();
  /** How often in a row the browser has refused a change of the layers. */
  private readonly refusals = new Map<Source, number>();
  private suspectTimer: ReturnType<typeof setTimeout> | undefined;
  private restartTimer: ReturnType<typeof setTimeout> | undefined;
  private restarts = 0;
  private readonly stall = new StallWatch();
  private readonly looking: ReturnType<typeof setInterval>;

  constructor(private readonly options: PeerOptions) {
    super();
    this.pc = options.create();
    this.pc.onconnectionstatechange = () => this.watch();
    this.looking = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  /** Receive m-lines wanted so far. */
  get slotsWanted(): Readonly<{ audio: number; video: number }> {
    return this.wanted;
  }

  /** Receive m-lines wanted; they never become fewer. */
  setSlots(audio: number, video: number): void {
    this.wanted = { audio: Math.max(audio, this.wanted.audio), video: Math.max(video, this.wanted.video) };
    if (this.slots.audio.length < this.wanted.audio || this.slots.video.length < this.wanted.video) this.need();
  }

  setAssignments(assignments: readonly Assignment[]): void {
    this.assignments = assignments;
    this.publishTracks();
  }

  /** Starts sending a track, or changes the one that is being sent. Resolves when it may flow. */
  async publish(source: Source, track: MediaStreamTrack): Promise<void> {
    const known = this.senders.get(source);
    if (known) {
      await known.sender.replaceTrack(track);
      await this.applyLayers(source);
      return;
    }
    const transceiver = this.pc.addTransceiver(track, {
      direction: "sendonly",
      sendEncodings: this.encodings(source, track),
    });
    const kind = track.kind === "audio" ? "audio" : "video";
    const available = this.options.codecs(kind);
    this.prefer(transceiver, source === "screen" ? shareable(available) : preferred(kind, available));
    this.senders.set(source, transceiver);
    await this.need();
  }

  /** Stops sending; the m-line stays for the next time. */
  async silence(source: Source): Promise<void> {
    await this.senders.get(source)?.sender.replaceTrack(null);
  }

  /** How many others may see the camera: decides between one picture and three layers. */
  async setOthers(count: number): Promise<void> {
    const before = this.wantsLayers();
    this.others = count;
    if (before === this.wantsLayers()) return;
    const size = this.wantsLayers() ? LAYERED_SIZE : SINGLE_SIZE;
    try {
      await this.senders.get("camera")?.sender.track?.applyConstraints({
        width: { ideal: size.width },
        height: { ideal: size.height },
        frameRate: { ideal: size.frameRate },
      });
    } catch {
      // The camera gives what it gives.
    }
    await this.applyLayers("camera");
  }

  /** Which layers of a source are of use to anybody: the others are not encoded. */
  async setUseful(source: Source, active: readonly boolean[]): Promise<void> {
    this.useful.set(source, active);
    await this.applyLayers(source);
  }

  wantsLayers(): boolean {
    return this.options.simulcast && this.others > SINGLE_UP_TO;
  }

  private layered(): boolean {
    // With fewer lines libwebrtc drops the best layer, not the worst.
    const height = this.senders.get("camera")?.sender.track?.getSettings().height;
    return this.wantsLayers() && (height === undefined || height >= LAYERED_SIZE.height);
  }

  /** Negotiates again what could not be sent while the line was down, and looks for a way if nothing flows. */
  resume(): void {
    if (this.dirty) void this.need();
    else if (this.doubtful) this.restartIce();
    else this.watch();
  }

  /** The server chose another codec for what is sent: its answer says which. */
  offerAgain(): Promise<void> {
    return this.need();
  }

  /** The machine's network has changed: what flows may stop, and then it is not waited for long. */
  networkChanged(): void {
    this.stall.hint(performance.now());
  }

  /**
   * Nothing flows. Where the network is another one, the browser finds the new way by itself with the
   * credentials that both sides know; a restart that cannot be told to the server would take them from
   * it. So the line is asked first: is it alive, the old way is just dead and looked for anew; is it
   * dead, `resume` sees what is left to do when it is back.
   */
  private async doubt(): Promise<void> {
    if (this.closed || this.doubtful) return;
    this.doubtful = true;
    try {
      await this.options.probe();
    } catch {
      return;
    }
    if (this.doubtful) this.restartIce();
  }

  restartIce(): void {
    this.doubtful = false;
    if (this.closed || this.iceRestart) return;
    this.iceRestart = true;
    this.await();
    void this.need();
  }

  /** Tries again when a restart has not connected, and gives up in the end. */
  private await(): void {
    clearTimeout(this.restartTimer);
    const pause = RESTART_PAUSES_MS[this.restarts];
    this.restarts += 1;
    this.restartTimer = setTimeout(() => {
      if (this.closed || this.pc.connectionState === "connected") return;
      if (this.restarts >= RESTART_PAUSES_MS.length) {
        this.emit("lost", undefined);
        return;
      }
      // The last offer may still be on its way: this one replaces it.
      this.iceRestart = false;
      void this.doubt();
    }, pause ?? RESTART_PAUSES_MS.at(-1));
  }

  /** The server has given up this connection (30 s without consent): its keys are gone with it. */
  transportGone(): void {
    if (!this.closed) this.emit("lost", undefined);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.suspectTimer);
    clearTimeout(this.restartTimer);
    clearInterval(this.looking);
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    this.clear();
  }

  private need(): Promise<void> {
    this.dirty = true;
    return this.queue.run();
  }

  private async negotiate(): Promise<void> {
    if (this.closed || !this.dirty) return;
    this.addSlots("audio");
    this.addSlots("video");
    if (this.pc.getTransceivers().length === 0) {
      this.dirty = false;
      return;
    }
    this.dirty = false;
    const restart = this.iceRestart;
    try {
      const description = await this.pc.createOffer({ iceRestart: restart });
      await this.pc.setLocalDescription(description);
      const sdp = this.pc.localDescription?.sdp ?? description.sdp ?? "";
      const answer = await this.options.offer({ sdp: withAudioNack(slimOffer(sdp)), publications: this.publications() });
      if (this.closed) return;
      this.assignments = answer.assignments;
      await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      if (restart) this.iceRestart = false;
      this.publishTracks();
      // An answer without "~" switches paused layers on again (RFC 8853): Chromium obeys it.
      for (const source of this.senders.keys()) await this.applyLayers(source);
    } catch (error) {
      if (this.closed) return;
      this.dirty = true;
      await this.rollback();
      const refused = error instanceof RequestError ? error : new RequestError("invalid_sdp", String(error));
      // Transient: the next welcome calls `resume`; a busy server is asked again after its pause.
      if (!refused.transient) this.emit("refused", refused);
      else if (refused.code !== "disconnected") setTimeout(() => this.resume(), refused.retryAfterMs ?? 1_000);
    }
  }

  private async rollback(): Promise<void> {
    if (this.pc.signalingState !== "have-local-offer") return;
    try {
      await this.pc.setLocalDescription({ type: "rollback" });
    } catch {
      // Closed meanwhile.
    }
  }

  private addSlots(kind: "audio" | "video"): void {
    while (this.slots[kind].length < this.wanted[kind]) {
      const transceiver = this.pc.addTransceiver(kind, { direction: "recvonly" });
      this.prefer(transceiver, receivable(kind, this.options.codecs(kind)));
      if (kind === "video") takeLayers(transceiver);
      this.slots[kind].push(transceiver);
    }
  }

  private publications(): Publication[] {
    const list: Publication[] = [];
    for (const [source, transceiver] of this.senders) {
      if (transceiver.mid !== null) list.push({ mid: transceiver.mid, source });
    }
    return list;
  }

  private prefer(transceiver: RTCRtpTransceiver, codecs: Codec[]): void {
    if (codecs.length === 0 || typeof transceiver.setCodecPreferences !== "function") return;
    try {
      transceiver.setCodecPreferences(codecs as RTCRtpCodec[]);
    } catch {
      // An older browser that wants other objects: its own order has VP8 and Opus too.
    }
  }

  private encodings(source: Source, track: MediaStreamTrack): RTCRtpEncodingParameters[] {
    if (source === "camera") {
      if (!this.options.simulcast) return [SINGLE_ENCODING];
      const enough = (track.getSettings().height ?? LAYERED_SIZE.height) >= LAYERED_SIZE.height;
      return cameraEncodings(this.wantsLayers() && enough);
    }
    if (source === "screen") return [SCREEN_ENCODING];
    return [{}];
  }

  /** One change of the parameters at a time: while one is on its way they are still read as before it. */
  private applyLayers(source: Source): Promise<void> {
    const known = this.applying.get(source);
    if (known) return known.run();
    const queue = new CoalescingQueue(() => this.applyNow(source));
    this.applying.set(source, queue);
    return queue.run();
  }

  private async applyNow(source: Source): Promise<void> {
    const sender = this.senders.get(source)?.sender;
    if (!sender || (source !== "camera" && source !== "screen")) return;
    const parameters = sender.getParameters();
    const { encodings } = parameters;
    if (!encodings?.length) return;
    const useful = this.useful.get(source);
    const wanted = source === "camera" && encodings.length === 3 ? usefulEncodings(this.layered(), useful) : null;
    let changed = false;
    encodings.forEach((encoding, at) => {
      const active = wanted?.[at]?.active ?? (useful === undefined || useful.includes(true));
      const maxBitrate = wanted?.[at]?.maxBitrate ?? encoding.maxBitrate;
      changed ||= encoding.active !== active || encoding.maxBitrate !== maxBitrate;
      encoding.active = active;
      if (maxBitrate !== undefined) encoding.maxBitrate = maxBitrate;
    });
    if (!changed) return;
    try {
      await sender.setParameters(parameters);
      this.refusals.delete(source);
    } catch {
      // In the middle of a negotiation, or the browser has changed them itself meanwhile.
      const refusals = (this.refusals.get(source) ?? 0) + 1;
      this.refusals.set(source, refusals);
      if (refusals <= MAX_REFUSALS) setTimeout(() => void (this.closed || this.applyLayers(source)), APPLY_AGAIN_MS);
    }
  }

  private publishTracks(): void {
    const byMid = new Map<string, MediaStreamTrack>();
    for (const transceiver of [...this.slots.audio, ...this.slots.video]) {
      if (transceiver.mid !== null) byMid.set(transceiver.mid, transceiver.receiver.track);
    }
    this.changes += 1;
    const tracks = new Map<string, RemoteTrack>();
    const newest = new Map<string, number>();
    const gone = new Set(this.since.keys());
    for (const { mid, participant, source } of this.assignments) {
      const key = trackKey(participant, source);
      gone.delete(mid);
      if (this.since.get(mid)?.carries !== key) this.since.set(mid, { carries: key, at: this.changes });
      const at = this.since.get(mid)?.at ?? 0;
      const track = byMid.get(mid);
      if (!track || at < (newest.get(key) ?? 0)) continue;
      newest.set(key, at);
      tracks.set(key, { participant, source, mid, track });
    }
    for (const mid of gone) this.since.delete(mid);
    this.emit("tracks", tracks);
  }

  private watch(): void {
    clearTimeout(this.suspectTimer);
    const state = this.pc.connectionState;
    this.emit("connected", state === "connected");
    if (state === "connected") {
      this.doubtful = false;
      this.iceRestart = false;
      this.restarts = 0;
      clearTimeout(this.restartTimer);
    } else if (state === "failed") {
      void this.doubt();
    } else if (state === "disconnected") {
      this.suspectTimer = setTimeout(() => void this.doubt(), DISCONNECTED_FOR_MS);
    }
  }

  private async look(): Promise<void> {
    // One receiver's report names the transport and its pair, without those of all other tracks.
    const receiver = this.slots.audio[0]?.receiver ?? this.slots.video[0]?.receiver;
    if (this.pc.connectionState !== "connected" || !receiver?.getStats) return;
    const report = await receiver.getStats().catch(() => undefined);
    if (this.closed || !report) return;
    let bytes = 0;
    report.forEach((one: { type: string; bytesReceived?: number }) => {
      if (one.type === "transport") bytes = one.bytesReceived ?? 0;
    });
    // Firefox tells no transport: there it is `disconnected` that alarms.
    if (bytes === 0) return;
    const alarm = this.stall.look(performance.now(), bytes);
    if (this.stall.flows) this.doubtful = false;
    if (alarm) void this.doubt();
  }
}
