/** The room as the page draws it. Everything that talks is in `rtc/`; this is what it said. */
import { defineStore } from "pinia";
import { computed, markRaw, ref, shallowRef } from "vue";
import { api } from "@/api/client";
import type { JoinGrant } from "@/api/http";
import type { Event as RoomEvent, ParticipantView, Request, Welcome } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import { reduce, type RoomView } from "@/protocol/reduce";
import { exposeDebug } from "@/rtc/debug";
import { flags } from "@/rtc/flags";
import { onNetworkChange } from "@/rtc/machine";
import { RoomClient, type LocalMedia } from "@/rtc/roomClient";
import { trackKey, type RemoteTrack } from "@/rtc/peer";
import type { LineState, Socket } from "@/rtc/signaling";
import { connectionSettings, rememberedWay } from "@/rtc/way";
import { asRequestError } from "./load";

export type Phase = "lobby" | "joining" | "in" | "over";
/** `removed`: asked to leave while inside; `refused`: never came in. */
export type Over = "left" | "ended" | "refused" | "removed";

/** What the room tells the page to say once. */
export type Said =
  | { kind: "muted"; by: string; source: string }
  | { kind: "lost_device"; source: string }
  | { kind: "media_refused"; error: RequestError };

/** A person whose line broke keeps the tile this long: nothing jumps at a reload. */
const TILE_KEPT_MS = 12_000;

const NOTHING: LocalMedia = { microphone: null, camera: null, screen: null, screenAudio: null };

export const useRoom = defineStore("room", () => {
  const phase = ref<Phase>("lobby");
  const over = ref<Over | null>(null);
  const refusal = ref<RequestError | null>(null);
  const line = ref<LineState>("idle");
  const view = shallowRef<RoomView | null>(null);
  const myId = ref("");
  const tracks = shallowRef<ReadonlyMap<string, RemoteTrack>>(new Map());
  const local = shallowRef<LocalMedia>(NOTHING);
  const micOn = ref(false);
  const mediaConnected = ref(false);
  const replaced = ref(false);
  const playBlocked = ref(false);
  const said = shallowRef<Said | null>(null);
  /** Server clock minus own clock, µs. */
  const clockOffsetUs = ref(0);
  const dropped = ref<ReadonlySet<string>>(new Set());
  const unread = ref(0);
  /** Pictures that my connection is too slow for, by track key. */
  const paused = ref<ReadonlySet<string>>(new Set());
  const client = shallowRef<RoomClient | null>(null);

  const session = computed(() => view.value?.session ?? null);
  const ballots = computed(() => session.value?.ballots ?? null);
  const people = computed<ParticipantView[]>(() => session.value?.participants ?? []);
  const me = computed(() => people.value.find((one) => one.id === myId.value) ?? null);
  const observers = computed(() => people.value.filter((one) => one.role === "observer" && one.online));
  const isChair = computed(() => session.value?.chair === myId.value && myId.value !== "");
  const recordsList = computed(() => isChair.value || me.value?.role === "recorder");
  const isObserver = computed(() => me.value?.role === "observer");
  /** The database is away; who keeps the records is told, others only when they want to vote. */
  const recordsAway = computed(() => session.value?.records_away === true && (isChair.value || me.value?.role === "chair" || me.value?.role === "recorder"));
  const chairLost = computed(() => session.value !== null && !session.value.chair);
  /** Members with a tile: present ones, and those whose line has just broken. */
  const tiles = computed(() =>
    people.value.filter((one) => one.role !== "observer" && (one.online || dropped.value.has(one.id))),
  );
  const sharing = computed(() => tiles.value.find((one) => one.screen) ?? null);

  let stopListening: (() => void) | undefined;

  /** `renew` fetches another token when this one is refused. */
  function enter(
    grant: JoinGrant,
    consent: boolean,
    microphone: MediaStreamTrack | null,
    camera: MediaStreamTrack | null,
    renew: () => Promise<JoinGrant> = () => api.join(grant.session.id),
  ) {
    phase.value = "joining";
    over.value = null;
    refusal.value = null;
    replaced.value = false;
    let next: JoinGrant | null = grant;
    let servers = grant.ice_servers ?? [];
    const made = markRaw(
      new RoomClient({
        open: () => new WebSocket(socketAddress(grant.ws_path)) as unknown as Socket,
        token: async (fresh) => {
          // A token serves many hellos until it expires; only a refusal asks for a new one.
          if (fresh || !next) {
            next = await renew();
            servers = next.ice_servers ?? [];
          }
          return next.token;
        },
        consent,
        device: Math.min(screen.width, screen.height) < 600 ? "phone" : "desktop",
        media: { rawAudio: flags.rawAudio },
        peer: {
          create: () => new RTCPeerConnection(connectionSettings(servers, rememberedWay())),
          codecs: (kind) => RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [],
          simulcast: flags.simulcast,
        },
      }),
    );
    client.value = made;
    made.on("line", (state) => {
      line.value = state;
    });
    made.on("welcome", welcomed);
    made.on("event", received);
    made.on("ended", (error) => {
      if (error.code === "session_ended") finish("ended", error);
      else finish(error.code === "forbidden" && phase.value === "in" ? "removed" : "refused", error);
    });
    made.on("tracks", (map) => {
      tracks.value = map;
    });
    made.on("mediaConnected", (connected) => {
      mediaConnected.value = connected;
    });
    made.on("local", (media) => {
      local.value = { ...media };
      if (!media.microphone) micOn.value = false;
    });
    made.on("lostDevice", (source) => {
      said.value = { kind: "lost_device", source };
    });
    made.on("mediaRefused", (error) => {
      said.value = { kind: "media_refused", error };
    });
    exposeDebug(made);
    micOn.value = microphone !== null;
    stopListening = onNetworkChange(() => client.value?.networkChanged());
    document.addEventListener("visibilitychange", hurry);
    made.views.setPageVisible(document.visibilityState === "visible");
    made.start(microphone, camera);
  }

  function hurry() {
    const visible = document.visibilityState === "visible";
    client.value?.views.setPageVisible(visible);
    if (visible) client.value?.signaling.hurry();
  }

  function welcomed(welcome: Welcome) {
    myId.value = welcome.participant;
    // A running roll-call and a site's screen are told again right after.
    view.value = { session: welcome.session, mayTakeOver: view.value?.mayTakeOver ?? false, listed: (view.value?.listed ?? 0) + 1 };
    clockOffsetUs.value = welcome.server_time_us - Date.now() * 1_000;
    phase.value = "in";
    countOthers();
    if (welcome.session.state === "declared_closed" || welcome.session.state === "archived") finish("ended", null);
  }

  function received(event: RoomEvent) {
    if (view.value) view.value = reduce(view.value, event);
    switch (event.kind) {
      case "participant_joined":
        keepTile(event.participant.id, false);
        countOthers();
        break;
      case "participant_left":
        keepTile(event.participant, event.reason === "drop" || event.reason === "server");
        countOthers();
        break;
      case "chat":
        unread.value += 1;
        break;
      case "track_paused":
        pause(trackKey(event.participant, event.source), event.paused);
        break;
      case "assignments": {
        const there = new Set(event.assignments.map((one) => trackKey(one.participant, one.source)));
        paused.value = new Set([...paused.value].filter((key) => there.has(key)));
        break;
      }
      case "media_connected":
        if (!event.connected) paused.value = new Set();
        break;
      case "muted":
        if (event.source === "microphone") micOn.value = false;
        said.value = { kind: "muted", by: nameOf(event.by), source: event.source };
        break;
      case "replaced":
        replaced.value = true;
        micOn.value = false;
        break;
      case "may_publish":
        replaced.value = false;
        break;
      case "session_state":
        if (event.state === "declared_closed") finish("ended", null);
        break;
      default:
        break;
    }
  }

  function pause(key: string, on: boolean) {
    const next = new Set(paused.value);
    if (on) next.add(key);
    else next.delete(key);
    paused.value = next;
  }

  function countOthers() {
    client.value?.setOthers(people.value.filter((one) => one.online && one.id !== myId.value).length);
  }

  function keepTile(id: string, keep: boolean) {
    const next = new Set(dropped.value);
    if (keep) {
      next.add(id);
      setTimeout(() => keepTile(id, false), TILE_KEPT_MS);
    } else if (!next.delete(id)) {
      return;
    }
    dropped.value = next;
  }

  function nameOf(id: string): string {
    return people.value.find((one) => one.id === id)?.name ?? "";
  }

  function finish(how: Over, error: RequestError | null) {
    if (phase.value === "over") return;
    over.value = how;
    refusal.value = error;
    phase.value = "over";
    const gone = client.value;
    client.value = null;
    void gone?.leave();
    reset();
  }

  function reset() {
    stopListening?.();
    document.removeEventListener("visibilitychange", hurry);
    tracks.value = new Map();
    local.value = NOTHING;
    micOn.value = false;
    mediaConnected.value = false;
    playBlocked.value = false;
    dropped.value = new Set();
    unread.value = 0;
    paused.value = new Set();
    line.value = "idle";
  }

  /** 离开: counted as clicked. */
  function leave() {
    finish("left", null);
  }

  /** The page goes elsewhere; like closing the tab. */
  function abandon() {
    client.value?.dispose();
    client.value = null;
    reset();
    phase.value = "lobby";
    view.value = null;
    myId.value = "";
  }

  async function request(request: Request): Promise<RequestError | null> {
    try {
      if (!client.value) throw new RequestError("disconnected", "");
      await client.value.request(request);
      return null;
    } catch (error) {
      return asRequestError(error);
    }
  }

  /** My blinded ballot paper, signed. */
  async function signPaper(ballot: string, blinded: string): Promise<string> {
    if (!client.value) throw new RequestError("disconnected", "");
    const reply = await client.value.signaling.request({ method: "ballot_token", ballot, blinded });
    if (reply.kind !== "paper_signed") throw new RequestError("internal", "");
    return reply.signature;
  }

  async function setMic(on: boolean, deviceId?: string) {
    await client.value?.setMicrophone(on, deviceId);
    micOn.value = on && local.value.microphone !== null;
  }

  return {
    phase, over, refusal, line, view, myId, tracks, local, micOn, mediaConnected, replaced, playBlocked, said,
    clockOffsetUs, dropped, unread, paused, client, session, ballots, people, me, observers, isChair, recordsList, isObserver, chairLost, recordsAway, tiles, sharing,
    enter, leave, abandon, request, signPaper, setMic, nameOf,
  };
});

function socketAddress(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
