/** An invented server inside the page (`?mock`), so that every state can be looked at without one. */
import type { Reply, Request, ServerMessage } from "@/protocol/generated/protocol";
import { FakePeerConnection } from "./fakePeer";
import * as attendance from "./attendanceScene";
import * as scene from "./scene";

const query = new URLSearchParams(location.search);

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

const problem = (status: number, code: string, detail: string) => json({ status, code, title: code, detail }, status);

function answer(path: string, method: string): Response {
  const fail = query.get("fail");
  if (path === "/api/me") return query.has("out") ? problem(401, "not_authenticated", "请先登录") : json(scene.me(query));
  if (path === "/api/login") return problem(401, "invalid_credentials", "账号或密码不正确,请重新输入。");
  if (path === "/api/sessions" && method === "GET") {
    if (fail === "home") return problem(503, "overloaded", "服务器繁忙,请稍候再试。");
    if (query.has("empty")) return json({ items: [] });
    return json({ items: query.get("scope") === "subtree" ? scene.subtree : scene.mine });
  }
  if (path === "/api/people") return json({ items: scene.people });
  if (path.endsWith("/join")) {
    if (fail === "closed") return problem(409, "session_not_open", "会场尚未开放");
    if (fail === "forbidden") return problem(403, "forbidden", "您不在本次会议的名册中,也不是上级列席人员。请联系会议主持人陈志强。");
    const role = query.get("as") === "observer" ? "observer" : Number(query.get("me") ?? 0) === 0 ? "chair" : "member";
    return json({ token: "t", role, ws_path: "/ws", expires_us: Date.now() * 1_000 + 600_000_000, session: scene.mine[0], recording_notice: true, ice_servers: [] });
  }
  if (path.endsWith("/journal")) {
    const types = ["session_opened", "join", "join", "declared_open", "recording_start", "agenda", "chat", "agenda", "leave", "declared_closed"];
    return json({
      items: types.map((type, at) => ({ seq: at + 1, at_us: scene.START_US + 60_000_000 + at * 540_000_000, mono_us: 0, actor: "p0", event: { type, person: at < 3 ? `p${at}` : undefined, index: type === "agenda" ? (at === 5 ? 0 : 1) : undefined } })),
    });
  }
  if (path.endsWith("/site")) return json({ token: "t", role: "site", ws_path: "/ws", expires_us: Date.now() * 1_000 + 600_000_000, session: scene.mine[0], recording_notice: true, ice_servers: [], site: { id: "site1", proof: "p" } });
  if (path.endsWith("/checkin")) return fail === "code" ? problem(409, "conflict", "二维码已失效，请扫描会场屏幕上的新二维码") : json({ site: "三楼会议室" });
  if (path.endsWith("/attendance")) return json(attendance.list());
  if (path.endsWith("/leave")) return json({ items: attendance.leave() });
  if (path.endsWith("/knock")) return json({ state: "waiting", title: "第四季度支部党员大会", org_name: "红旗社区第一党支部" });
  if (path.startsWith("/api/archive/")) return json(scene.archive(query));
  if (path.startsWith("/api/sessions/")) {
    const state = query.get("state");
    return json(scene.detail(state === "planned" || fail === "closed" ? { state: "planned", counts: null } : {}));
  }
  return problem(404, "not_found", "没有找到");
}

let drawn = 0;

/** A dull room with a sitting figure: enough to judge the layout. */
function picture(kind: "audio" | "video", at: number): MediaStreamTrack {
  if (kind === "audio") return new MediaStreamAudioDestinationNode(new AudioContext()).stream.getAudioTracks()[0] as MediaStreamTrack;
  const canvas = document.createElement("canvas");
  canvas.width = 640;
  canvas.height = 360;
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  const hue = (at * 47 + 200) % 360;
  const draw = () => {
    drawn += 1;
    pen.fillStyle = `hsl(${hue} 18% 32%)`;
    pen.fillRect(0, 0, 640, 360);
    pen.fillStyle = `hsl(${hue} 15% 42%)`;
    pen.fillRect(60, 40, 150, 120);
    pen.fillStyle = `hsl(${(hue + 90) % 360} 25% 26%)`;
    pen.beginPath();
    pen.ellipse(330, 370, 150, 150, 0, 0, 7);
    pen.fill();
    pen.fillStyle = "#c79f86";
    pen.beginPath();
    pen.ellipse(330, 165 + Math.sin(drawn / 9), 58, 72, 0, 0, 7);
    pen.fill();
    pen.fillStyle = "#2b2522";
    pen.beginPath();
    pen.ellipse(330, 118, 62, 42, 0, 3.1, 6.3);
    pen.fill();
  };
  draw();
  setInterval(draw, 200);
  return canvas.captureStream(5).getVideoTracks()[0] as MediaStreamTrack;
}

class MockSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;

  constructor() {
    setTimeout(() => this.onopen?.(), 20);
  }

  private tell(message: ServerMessage) {
    setTimeout(() => this.onmessage?.({ data: JSON.stringify(message) }), 10);
  }

  send(data: string) {
    const message = JSON.parse(data) as { type: string; id: number; request: Request };
    if (message.type !== "request") return;
    const { id, request } = message;
    const reply = (it: Reply) => this.tell({ type: "reply", id, reply: it });
    const session = scene.snapshot(query);
    const seen = session.participants.filter((one) => one.role !== "observer" && one.cam && one.id !== scene.me(query).person_id);
    if (request.method === "hello") {
      reply({ kind: "welcome", participant: scene.me(query).person_id, endpoint: "e", resume_token: "r", resumed: false, seq: 1, session, server_time_us: Date.now() * 1_000, slots_audio: 0, slots_video: seen.length + 1 });
      if (query.has("lost")) this.tell({ type: "event", seq: 2, event: { kind: "chair", may_take_over: true } });
      if (query.has("rollcall")) this.tell({ type: "event", seq: 2, event: { kind: "rollcall", rollcall: attendance.rollcall() } });
      if (location.pathname.startsWith("/site/")) this.tell({ type: "event", seq: 2, event: { kind: "site", site: attendance.site() } });
      if (query.has("cut")) setTimeout(() => this.onclose?.(), 800);
    } else if (request.method === "offer") {
      const mids = [...request.sdp.matchAll(/a=mid:(\d+)\r\na=recvonly/g)].map((found) => found[1] as string);
      const wanted = [...seen.map((one) => ({ participant: one.id, source: "camera" as const })), { participant: "p1", source: "screen" as const }];
      reply({ kind: "answer", sdp: "", assignments: wanted.flatMap((one, at) => (mids[at] ? [{ ...one, mid: mids[at] as string }] : [])) });
    } else {
      reply({ kind: "done" });
    }
  }

  close() {}
}

class MockPeer extends FakePeerConnection {
  constructor() {
    super(picture, true);
  }
}

export function install() {
  window.fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
    const address = new URL(input instanceof Request ? input.url : String(input), location.href);
    if (address.searchParams.has("scope")) query.set("scope", address.searchParams.get("scope") ?? "");
    return answer(address.pathname, init?.method ?? "GET");
  };
  const target = window as unknown as Record<string, unknown>;
  target.WebSocket = query.has("cut") && sessionStorage.getItem("cut") ? undefined : MockSocket;
  target.RTCPeerConnection = MockPeer;
  const visit = query.get("visit");
  if (visit) sessionStorage.setItem("yuntang.visit.s1", JSON.stringify({ consent: true, microphone: visit !== "observer", camera: visit !== "observer" }));
  const denied = query.get("denied");
  if (denied && navigator.mediaDevices) {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", denied));
  }
}
