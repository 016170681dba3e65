/**
 * The websocket session: hello, requests with answers, events in order, pings, and coming back.
 *
 * States: `idle` → `connecting` → `online` ⇄ `reconnecting` → `closed`. A drop is never shown to
 * the caller as an error but as a state; only the server's final word (`bye` with a lasting code,
 * a refused hello) closes for good. See docs/PROTOCOL.md.
 */
import {
  DEAD_AFTER_MS,
  PROTOCOL_VERSION,
  RESUME_WINDOW_MS,
  type ClientMessage,
  type Event as RoomEvent,
  type Reply,
  type Request,
  type Resume,
  type ServerMessage,
  type Welcome,
} from "@/protocol/generated/protocol";
import { isTransient, needsNewToken, RequestError } from "@/protocol/errors";
import { pauseBefore } from "./backoff";
import { Emitter } from "./emitter";

export type LineState = "idle" | "connecting" | "online" | "reconnecting" | "closed";

/** The part of `WebSocket` used here, so that tests can give their own. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface SignalingOptions {
  /** A websocket to the server; called for every attempt. */
  open: () => Socket;
  /** A join token; `fresh` asks for a new one because the last was refused. */
  token: (fresh: boolean) => Promise<string>;
  consent: boolean;
  device: "phone" | "desktop" | "site";
  now?: () => number;
}

/** One request that the server has acknowledged; tests compare these with the journal. */
export interface Acknowledged {
  /** The server did it between these two instants of the page's clock. */
  sentMs: number;
  atMs: number;
  id: number;
  method: Request["method"];
  request: Request;
  reply: Reply["kind"];
}

export interface SignalingEvents {
  state: LineState;
  welcome: Welcome;
  event: RoomEvent;
  /** The server's final word; nothing follows. */
  ended: RequestError;
  acknowledged: Acknowledged;
}

interface Pending {
  request: Request;
  sentMs: number;
  resolve: (reply: Reply) => void;
  reject: (error: RequestError) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** From the socket's opening to the welcome, and for a socket to open. */
const CONNECT_TIMEOUT_MS = 4_000;
/** The first attempt may have begun while the old network was still believed in: it is not waited for so long. */
const FIRST_OPEN_TIMEOUT_MS = 1_500;
/** Looks at a doubtful line: frames that came while the page was busy are read before the next one. */
const SUSPECT_LOOK_MS = 100;
const REQUEST_TIMEOUT_MS = 10_000;
const WATCHDOG_MS = 1_000;

export class SignalingClient extends Emitter<SignalingEvents> {
  private lineState: LineState = "idle";
  private socket: Socket | null = null;
  private attempt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private connectTimer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setInterval> | undefined;
  private suspectTimer: ReturnType<typeof setTimeout> | undefined;
  private lastFrameMs = 0;
  private frames = 0;
  private lostAtMs: number | null = null;
  private nextId = 1;
  private readonly pending = new Map<number, Pending>();
  private resumeToken: string | null = null;
  private lastSeq = 0;
  private freshToken = false;
  private freshTokens = 0;

  constructor(private readonly options: SignalingOptions) {
    super();
  }

  get state(): LineState {
    return this.lineState;
  }

  start(): void {
    if (this.lineState !== "idle") return;
    this.setState("connecting");
    this.schedule(0);
  }

  /** Answered by the reply, or rejected with a {@link RequestError}; never left without an answer. */
  request(request: Request, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Reply> {
    if (this.lineState !== "online" || !this.socket) {
      return Promise.reject(new RequestError("disconnected", "disconnected"));
    }
    return this.transmit(request, timeoutMs);
  }

  /** Ends for good: `leave` first, so that the departure counts as clicked. */
  async leave(): Promise<void> {
    try {
      await this.request({ method: "leave" }, 2_000);
    } catch {
      // The line is gone already: the server writes a drop instead.
    }
    this.close();
  }

  close(): void {
    this.teardown(new RequestError("disconnected", "closed"));
    this.setState("closed");
  }

  /** Drops the line and says hello without resume: a new endpoint with new media. */
  startAfresh(): void {
    if (this.lineState === "closed" || this.lineState === "idle") return;
    this.resumeToken = null;
    this.drop();
  }

  /** The network came back, or the page woke up: do not wait for the next pause. */
  hurry(): void {
    if (this.lineState === "reconnecting" && !this.socket) {
      this.attempt = 0;
      this.schedule(0);
    } else if (this.lineState === "online" && this.now() - this.lastFrameMs > DEAD_AFTER_MS) {
      this.drop();
    }
  }

  /** Something was asked of the server: if nothing comes on the line within `withinMs`, it is dead. */
  suspect(withinMs: number): void {
    const [socket, frames] = [this.socket, this.frames];
    if (this.lineState !== "online" || !socket) return;
    clearTimeout(this.suspectTimer);
    let left = Math.ceil(withinMs / SUSPECT_LOOK_MS);
    const look = () => {
      if (this.lineState !== "online" || this.socket !== socket || this.frames !== frames) return;
      left -= 1;
      if (left >= 0) {
        this.suspectTimer = setTimeout(look, SUSPECT_LOOK_MS);
        return;
      }
      this.attempt = 0;
      this.drop();
    };
    look();
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }

  private setState(state: LineState): void {
    if (this.lineState === state) return;
    this.lineState = state;
    this.emit("state", state);
  }

  private schedule(pauseMs: number): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => void this.connect(), pauseMs);
  }

  private async connect(): Promise<void> {
    let token: string;
    try {
      token = await this.options.token(this.freshToken);
      this.freshToken = false;
    } catch (error) {
      const refused = error instanceof RequestError ? error : new RequestError("network", String(error));
      if (refused.transient) this.lost(refused.retryAfterMs);
      else this.end(refused);
      return;
    }
    if (this.lineState === "closed" || this.socket) return;
    let socket: Socket;
    try {
      socket = this.options.open();
    } catch {
      this.lost();
      return;
    }
    this.socket = socket;
    const again = this.resumeToken !== null && this.attempt <= 1;
    this.connectTimer = setTimeout(() => this.drop(), again ? FIRST_OPEN_TIMEOUT_MS : CONNECT_TIMEOUT_MS);
    socket.onopen = () => {
      if (this.socket !== socket) return;
      clearTimeout(this.connectTimer);
      this.connectTimer = setTimeout(() => this.drop(), CONNECT_TIMEOUT_MS);
      this.hello(token);
    };
    socket.onmessage = (message) => {
      if (this.socket === socket) this.receive(message.data);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.drop();
    };
    socket.onerror = () => {
      if (this.socket === socket) this.drop();
    };
  }

  private hello(token: string): void {
    const request: Request = {
      method: "hello",
      version: PROTOCOL_VERSION,
      token,
      consent: this.options.consent,
      device: this.options.device,
    };
    const resume = this.resume();
    if (resume) request.resume = resume;
    this.lastFrameMs = this.now();
    this.transmit(request, CONNECT_TIMEOUT_MS).then(
      (reply) => {
        if (reply.kind === "welcome") this.welcomed(reply);
        else this.drop();
      },
      (error: RequestError) => this.refused(error),
    );
  }

  /** Only while the server still keeps what was missed. */
  private resume(): Resume | undefined {
    if (!this.resumeToken) return undefined;
    if (this.lostAtMs !== null && this.now() - this.lostAtMs > RESUME_WINDOW_MS) return undefined;
    return { token: this.resumeToken, last_seq: this.lastSeq };
  }

  private welcomed(welcome: Welcome): void {
    clearTimeout(this.connectTimer);
    this.attempt = 0;
    this.freshTokens = 0;
    this.lostAtMs = null;
    this.resumeToken = welcome.resume_token;
    // Resumed: what was missed follows, numbered from where this page stopped.
    if (!welcome.resumed) this.lastSeq = welcome.seq;
    this.startWatchdog();
    this.setState("online");
    this.emit("welcome", welcome);
  }

  private refused(error: RequestError): void {
    if (this.lineState === "closed") return;
    if (needsNewToken(error.code) && this.freshTokens < 2) {
      this.freshTokens += 1;
      this.freshToken = true;
      this.drop();
    } else if (isTransient(error.code)) {
      this.drop(error.retryAfterMs);
    } else {
      this.end(error);
    }
  }

  private receive(data: unknown): void {
    if (typeof data !== "string") return;
    this.lastFrameMs = this.now();
    this.frames += 1;
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      return;
    }
    switch (message.type) {
      case "reply":
        this.settle(message.id, (pending, id) => {
          pending.resolve(message.reply);
          this.emit("acknowledged", {
            sentMs: pending.sentMs,
            atMs: this.now(),
            id,
            method: pending.request.method,
            request: withoutSecrets(pending.request),
            reply: message.reply.kind,
          });
        });
        break;
      case "error":
        this.settle(message.id, (pending) => pending.reject(RequestError.from(message.error)));
        break;
      case "event":
        // A replay after a resume may repeat what was seen.
        if (message.seq <= this.lastSeq) return;
        this.lastSeq = message.seq;
        this.emit("event", message.event);
        break;
      case "ping":
        this.write({ type: "pong", seq: this.lastSeq });
        break;
      case "bye":
        this.refused(RequestError.from(message.error));
        break;
    }
  }

  private transmit(request: Request, timeoutMs: number): Promise<Reply> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.settle(id, (pending) => pending.reject(new RequestError("timeout", "timeout")));
      }, timeoutMs);
      this.pending.set(id, { request, sentMs: this.now(), resolve, reject, timer });
      this.write({ type: "request", id, request });
    });
  }

  private settle(id: number, how: (pending: Pending, id: number) => void): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    how(pending, id);
  }

  private write(message: ClientMessage): void {
    try {
      this.socket?.send(JSON.stringify(message));
    } catch {
      this.drop();
    }
  }

  private startWatchdog(): void {
    clearInterval(this.watchdog);
    this.watchdog = setInterval(() => {
      if (this.now() - this.lastFrameMs > DEAD_AFTER_MS) this.drop();
    }, WATCHDOG_MS);
  }

  /** The line is dead: forget the socket and come back. */
  private drop(retryAfterMs?: number): void {
    if (this.lineState === "closed") return;
    this.teardown(new RequestError("disconnected", "disconnected"));
    this.lost(retryAfterMs);
  }

  private lost(retryAfterMs?: number): void {
    if (this.lineState === "closed") return;
    this.lostAtMs ??= this.now();
    if (this.lineState === "online") this.setState("reconnecting");
    const pause = Math.max(pauseBefore(this.attempt), retryAfterMs ?? 0);
    this.attempt += 1;
    this.schedule(pause);
  }

  private end(error: RequestError): void {
    this.teardown(error);
    this.setState("closed");
    this.emit("ended", error);
  }

  private teardown(error: RequestError): void {
    clearTimeout(this.retryTimer);
    clearTimeout(this.connectTimer);
    clearTimeout(this.suspectTimer);
    clearInterval(this.watchdog);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      try {
        socket.close();
      } catch {
        // Not open yet: nothing to close.
      }
    }
    for (const id of [...this.pending.keys()]) this.settle(id, (pending) => pending.reject(error));
  }
}

/** The acknowledgement log is shown to tests and support: no token and no SDP in it. */
function withoutSecrets(request: Request): Request {
  if (request.method === "hello") return { ...request, token: "", resume: undefined };
  if (request.method === "offer") return { ...request, sdp: "" };
  return request;
}
