/**
 * One person's presence in one room: the line, the media connection and the own devices together.
 * The page tells it what the person wants; it tells the page what is.
 */
import type { Event as RoomEvent, Offer, Request, Source, Welcome } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import { Emitter } from "./emitter";
import { openCamera, openMicrophone, openScreen, type MediaOptions } from "./media";
import { PeerManager, type PeerOptions, type RemoteTrack } from "./peer";
import { Views } from "./views";
import { SignalingClient, type LineState, type SignalingOptions } from "./signaling";

export interface LocalMedia {
  microphone: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
  screen: MediaStreamTrack | null;
  screenAudio: MediaStreamTrack | null;
}

export interface RoomClientOptions extends SignalingOptions {
  peer: Pick<PeerOptions, "create" | "codecs" | "simulcast">;
  media: MediaOptions;
}

export interface RoomClientEvents {
  line: LineState;
  welcome: Welcome;
  event: RoomEvent;
  ended: RequestError;
  tracks: ReadonlyMap<string, RemoteTrack>;
  mediaConnected: boolean;
  local: LocalMedia;
  /** A device stopped by itself (unplugged, taken away). */
  lostDevice: Source;
  mediaRefused: RequestError;
}

const SLOT: Record<Source, keyof LocalMedia> = {
  microphone: "microphone",
  camera: "camera",
  screen: "screen",
  screen_audio: "screenAudio",
};

/** A round trip to a far server on a slow line. */
const LINE_ANSWERS_WITHIN_MS = 600;
/** So many lost connections within so long: the endpoint is made anew, too. */
const MAX_RENEWALS = 2;
const RENEWALS_WITHIN_MS = 60_000;

export class RoomClient extends Emitter<RoomClientEvents> {
  readonly signaling: SignalingClient;
  /** How large the page shows whom. */
  readonly views = new Views((tracks) => this.request({ method: "view", tracks }));
  private peerManager: PeerManager | null = null;
  private local: LocalMedia = { microphone: null, camera: null, screen: null, screenAudio: null };
  private micOn = false;
  private mayPublish = false;
  private others = 0;
  /** When connections were made anew because the last was lost. */
  private renewals: number[] = [];

  constructor(private readonly options: RoomClientOptions) {
    super();
    this.signaling = new SignalingClient(options);
    this.signaling.on("state", (state) => this.emit("line", state));
    this.signaling.on("welcome", (welcome) => this.welcomed(welcome));
    this.signaling.on("event", (event) => this.received(event));
    this.signaling.on("ended", (error) => {
      this.dispose();
      this.emit("ended", error);
    });
  }

  get peer(): PeerManager | null {
    return this.peerManager;
  }

  /** Tracks opened in the lobby are taken over: no second permission question, no black second. */
  start(microphone: MediaStreamTrack | null, camera: MediaStreamTrack | null): void {
    this.micOn = microphone !== null;
    this.adopt("microphone", microphone);
    this.adopt("camera", camera);
    this.signaling.start();
  }

  request(request: Request): Promise<void> {
    return this.signaling.request(request).then(() => undefined);
  }

  async setMicrophone(on: boolean, deviceId?: string): Promise<void> {
    if (on && !this.local.microphone) this.adopt("microphone", await openMicrophone(deviceId, this.options.media));
    this.micOn = on;
    if (this.local.microphone) this.local.microphone.enabled = on;
    await this.share("microphone", on);
  }

  async setCamera(on: boolean, deviceId?: string): Promise<void> {
    if (on && !this.local.camera) {
      this.adopt("camera", await openCamera(deviceId, this.peerManager?.wantsLayers() ?? false));
    }
    // Off means off: the camera's own light goes out.
    if (!on) this.release("camera");
    await this.share("camera", on);
  }

  async changeMicrophone(deviceId: string): Promise<void> {
    if (!this.local.microphone) return;
    const track = await openMicrophone(deviceId, this.options.media);
    track.enabled = this.micOn;
    this.release("microphone");
    this.adopt("microphone", track);
    if (this.mayPublish) await this.peerManager?.publish("microphone", track);
  }

  async changeCamera(deviceId: string): Promise<void> {
    if (!this.local.camera) return;
    const track = await openCamera(deviceId, this.peerManager?.wantsLayers() ?? false);
    this.release("camera");
    this.adopt("camera", track);
    if (this.mayPublish) await this.peerManager?.publish("camera", track);
  }

  async startScreen(): Promise<void> {
    const { video, audio } = await openScreen();
    this.adopt("screen", video);
    if (audio) this.adopt("screen_audio", audio);
    await this.share("screen", true);
    if (audio) await this.share("screen_audio", true);
  }

  async stopScreen(): Promise<void> {
    const withAudio = this.local.screenAudio !== null;
    this.release("screen");
    this.release("screen_audio");
    await this.share("screen", false);
    if (withAudio) await this.share("screen_audio", false);
  }

  /** Others in the room, for the choice of layers. */
  setOthers(count: number): void {
    this.others = count;
    void this.peerManager?.setOthers(count);
  }

  /** Another network, or one again: whatever has stopped is looked for at once. */
  networkChanged(): void {
    this.signaling.hurry();
    this.peerManager?.networkChanged();
    this.probe().catch(() => undefined);
  }

  async leave(): Promise<void> {
    await this.signaling.leave();
    this.dispose();
  }

  dispose(): void {
    this.signaling.close();
    this.views.close();
    this.peerManager?.close();
    this.peerManager = null;
    for (const source of Object.keys(SLOT) as Source[]) this.release(source);
  }

  private welcomed(welcome: Welcome): void {
    const me = welcome.session.participants.find((one) => one.id === welcome.participant);
    this.mayPublish = me?.role !== "observer";
    this.emit("welcome", welcome);
    if (welcome.resumed && this.peerManager) {
      this.peerManager.setSlots(welcome.slots_audio, welcome.slots_video);
      this.peerManager.resume();
      // What the server was told while the line was down may be lost.
      this.announce();
      return;
    }
    this.connectMedia(welcome.slots_audio, welcome.slots_video);
  }

  /** A new endpoint: everything that is being sent is published again. */
  private connectMedia(audio: number, video: number): void {
    this.peerManager?.close();
    const peer = new PeerManager({
      ...this.options.peer,
      offer: (offer) => this.sendOffer(offer),
      probe: () => this.probe(),
    });
    this.peerManager = peer;
    peer.on("tracks", (tracks) => {
      this.views.setAssigned([...tracks.values()]);
      this.emit("tracks", tracks);
    });
    peer.on("connected", (connected) => this.emit("mediaConnected", connected));
    peer.on("refused", (error) => this.emit("mediaRefused", error));
    peer.on("lost", () => this.renewMedia(peer));
    void peer.setOthers(this.others);
    const published: Promise<unknown>[] = [];
    if (this.mayPublish) {
      // Said before the offer, so that a muted microphone is never shown as open.
      if (this.local.microphone && !this.micOn) {
        this.request({ method: "media_state", source: "microphone", on: false }).catch(() => undefined);
      }
      for (const source of Object.keys(SLOT) as Source[]) {
        const track = this.local[SLOT[source]];
        if (track) published.push(peer.publish(source, track).catch(() => undefined));
      }
    }
    peer.setSlots(audio, video);
    void Promise.all(published).then(() => {
      if (this.peerManager === peer) this.announce();
    });
  }

  /** A new connection of the same endpoint: nobody leaves the room for it. */
  private renewMedia(lost: PeerManager): void {
    if (this.peerManager !== lost) return;
    const now = performance.now();
    this.renewals = this.renewals.filter((at) => now - at < RENEWALS_WITHIN_MS);
    if (this.renewals.length >= MAX_RENEWALS) {
      // The endpoint itself may be at fault.
      this.renewals = [];
      this.signaling.startAfresh();
      return;
    }
    this.renewals.push(now);
    const { audio, video } = lost.slotsWanted;
    this.connectMedia(audio, video);
  }

  /** Resolves when the server answers on the line: it is told what it knows. Silence drops the line. */
  private async probe(): Promise<void> {
    this.signaling.suspect(LINE_ANSWERS_WITHIN_MS);
    try {
      await this.request({ method: "view", tracks: this.views.list() });
    } catch (error) {
      // A refusal is an answer.
      if (error instanceof RequestError && (error.code === "disconnected" || error.code === "timeout")) throw error;
    }
  }

  private async sendOffer(offer: Offer) {
    const reply = await this.signaling.request({ method: "offer", ...offer });
    if (reply.kind !== "answer") throw new RequestError("internal", `answer expected, ${reply.kind} received`);
    // The first offer makes the connection at the server, which has no view yet.
    this.views.repeat();
    return reply;
  }

  private received(event: RoomEvent): void {
    switch (event.kind) {
      case "slots":
        this.peerManager?.setSlots(event.audio, event.video);
        break;
      case "assignments":
        this.peerManager?.setAssignments(event.assignments);
        break;
      case "publish_layers":
        void this.peerManager?.setUseful(event.source, event.active);
        break;
      case "publish_codec":
        void this.peerManager?.offerAgain();
        break;
      case "muted":
        this.obey(event.source);
        break;
      case "replaced":
        this.stopPublishing();
        break;
      case "may_publish":
        this.mayPublish = true;
        break;
      case "media_connected":
        if (!event.connected) this.peerManager?.transportGone();
        break;
      default:
        break;
    }
    this.emit("event", event);
  }

  /** The chair switched a source off; the server enforces it, this stops sending for nothing. */
  private obey(source: Source): void {
    if (source === "microphone") {
      this.micOn = false;
      if (this.local.microphone) this.local.microphone.enabled = false;
      this.emit("local", this.local);
      return;
    }
    this.release(source);
    if (source === "screen") this.release("screen_audio");
    void this.peerManager?.silence(source);
  }

  private stopPublishing(): void {
    this.mayPublish = false;
    for (const source of Object.keys(SLOT) as Source[]) {
      this.release(source);
      void this.peerManager?.silence(source);
    }
    this.micOn = false;
  }

  private async share(source: Source, on: boolean): Promise<void> {
    if (!this.mayPublish || !this.peerManager) return;
    const track = this.local[SLOT[source]];
    if (on && track) await this.peerManager.publish(source, track);
    else if (!on && source !== "microphone") await this.peerManager.silence(source);
    // Not sent while the line is down: `announce` repeats it after the welcome.
    if (this.signaling.state === "online") await this.request({ method: "media_state", source, on });
  }

  /** Tells the server which sources are on; after every welcome. */
  private announce(): void {
    if (!this.mayPublish) return;
    const on: Record<Source, boolean> = {
      microphone: this.micOn && this.local.microphone !== null,
      camera: this.local.camera !== null,
      screen: this.local.screen !== null,
      screen_audio: this.local.screenAudio !== null,
    };
    for (const source of Object.keys(on) as Source[]) {
      if (this.local[SLOT[source]] === null) continue;
      this.request({ method: "media_state", source, on: on[source] }).catch(() => undefined);
    }
  }

  private adopt(source: Source, track: MediaStreamTrack | null): void {
    this.local = { ...this.local, [SLOT[source]]: track };
    if (track) {
      track.onended = () => {
        if (this.local[SLOT[source]] !== track) return;
        this.emit("lostDevice", source);
        if (source === "screen") void this.stopScreen().catch(() => undefined);
        else this.dropSource(source);
      };
    }
    this.emit("local", this.local);
  }

  private dropSource(source: Source): void {
    this.release(source);
    if (source === "microphone") this.micOn = false;
    this.share(source, false).catch(() => undefined);
  }

  private release(source: Source): void {
    const track = this.local[SLOT[source]];
    if (!track) return;
    track.onended = null;
    track.stop();
    this.local = { ...this.local, [SLOT[source]]: null };
    this.emit("local", this.local);
  }
}
