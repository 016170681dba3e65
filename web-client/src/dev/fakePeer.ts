/** A stand-in for RTCPeerConnection, for the unit tests and the gallery: m-lines without media. */

export interface FakeTransceiver {
  mid: string | null;
  kind: "audio" | "video";
  direction: string;
  sender: {
    track: MediaStreamTrack | null;
    replaceTrack: (track: MediaStreamTrack | null) => Promise<void>;
    getParameters: () => { encodings: RTCRtpEncodingParameters[] };
    setParameters: (parameters: { encodings: RTCRtpEncodingParameters[] }) => Promise<void>;
  };
  receiver: { track: MediaStreamTrack; getStats?: () => Promise<Map<string, unknown>> };
  codecs: string[];
  setCodecPreferences: (codecs: { mimeType: string }[]) => void;
}

export class FakePeerConnection {
  connectionState: RTCPeerConnectionState = "new";
  signalingState: RTCSignalingState = "stable";
  localDescription: { type: string; sdp: string } | null = null;
  onconnectionstatechange: (() => void) | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  readonly offers: { sdp: string; iceRestart: boolean }[] = [];
  rollbacks = 0;
  /** Like Chromium with an answer whose layers carry no "~". */
  answerActivates = false;
  closed = false;

  constructor(
    private readonly makeTrack: (kind: "audio" | "video", at: number) => MediaStreamTrack,
    private readonly connects = false,
  ) {}

  addTransceiver(what: MediaStreamTrack | "audio" | "video", init?: RTCRtpTransceiverInit): FakeTransceiver {
    const kind = typeof what === "string" ? what : (what.kind as "audio" | "video");
    const encodings = (init?.sendEncodings ?? [{}]).map((one) => ({ ...one }));
    const made: FakeTransceiver = {
      mid: null,
      kind,
      direction: init?.direction ?? "sendrecv",
      sender: {
        track: typeof what === "string" ? null : what,
        replaceTrack: async (track) => {
          made.sender.track = track;
        },
        getParameters: () => ({ encodings: encodings.map((one) => ({ ...one })) }),
        setParameters: async (parameters) => {
          parameters.encodings.forEach((one, at) => Object.assign(encodings[at] ?? {}, one));
        },
      },
      receiver: { track: this.makeTrack(kind, this.transceivers.length) },
      codecs: [],
      setCodecPreferences: (codecs) => {
        made.codecs = codecs.map((one) => one.mimeType);
      },
    };
    this.transceivers.push(made);
    return made;
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  async createOffer(options?: { iceRestart?: boolean }): Promise<{ type: "offer"; sdp: string }> {
    const lines = this.transceivers.map((one, at) => `m=${one.kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${at}\r\na=${one.direction}`);
    const sdp = ["v=0", ...lines, "a=candidate:1 1 udp 1 10.0.0.1 9 typ host", ""].join("\r\n");
    this.offers.push({ sdp, iceRestart: options?.iceRestart ?? false });
    return { type: "offer", sdp };
  }

  async setLocalDescription(description: { type: string; sdp?: string }): Promise<void> {
    if (description.type === "rollback") {
      this.rollbacks += 1;
      this.signalingState = "stable";
      return;
    }
    this.signalingState = "have-local-offer";
    this.localDescription = { type: "offer", sdp: description.sdp ?? "" };
    this.transceivers.forEach((one, at) => (one.mid = String(at)));
  }

  async setRemoteDescription(): Promise<void> {
    this.signalingState = "stable";
    if (this.answerActivates) {
      for (const one of this.transceivers) {
        await one.sender.setParameters({ encodings: one.sender.getParameters().encodings.map(() => ({ active: true })) });
      }
    }
    if (this.connects) this.become("connected");
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  async getStats(): Promise<Map<string, unknown>> {
    return new Map();
  }

  close(): void {
    this.closed = true;
    this.connectionState = "closed";
  }
}
