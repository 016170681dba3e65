/** What an event does to the picture of the room: pure, so that a resume can be tested by replay. */
import type { Event as RoomEvent, ParticipantView, RollcallView, SessionSnapshot, SiteView } from "./generated/protocol";

export interface RoomView {
  session: SessionSnapshot;
  mayTakeOver: boolean;
  /** 点名 that is running, as it stands for me. */
  rollcall?: RollcallView;
  /** What the screen of this room site shows; for the device of a site alone. */
  site?: SiteView;
  /** Grows when the attendance list is to be read again. */
  listed?: number;
}

const CHAT_KEPT = 200;
const BALLOTS_KEPT = 20;

export function reduce(view: RoomView, event: RoomEvent): RoomView {
  const { session } = view;
  const change = (part: Partial<SessionSnapshot>): RoomView => ({ ...view, session: { ...session, ...part } });
  switch (event.kind) {
    case "participant_joined":
    case "participant_changed":
      return change({ participants: upsert(session.participants, event.participant) });
    case "participant_left":
      return change({
        participants: session.participants.map((one) =>
          one.id === event.participant
            ? { ...one, online: false, mic: false, cam: false, screen: false, hand: false, devices: 0, quality: undefined }
            : one,
        ),
      });
    case "counts":
      return change({ counts: event.counts });
    case "session_state":
      return change({
        state: event.state,
        ...(event.state === "declared_open" ? { declared_open_us: event.at_us } : {}),
        ...(event.state === "declared_closed" ? { declared_closed_us: event.at_us } : {}),
      });
    case "paused":
      return change({ paused_us: event.paused ? event.at_us : undefined });
    case "rollcall":
      return { ...view, rollcall: event.rollcall };
    case "site":
      return { ...view, site: event.site };
    case "attendance_changed":
      return { ...view, listed: (view.listed ?? 0) + 1 };
    case "agenda":
      return change({ agenda_index: event.index });
    case "chair":
      return { ...change({ chair: event.chair }), mayTakeOver: event.may_take_over };
    case "chat":
      // A replay after a resume may repeat what the snapshot already holds.
      if (session.chat.some((message) => message.id === event.message.id)) return view;
      return change({ chat: [...session.chat, event.message].slice(-CHAT_KEPT) });
    case "speaker":
      return change({ speaker: event.participant });
    case "recording":
      return change({ recording: event.recording });
    case "records":
      return change({ records_away: event.away });
    case "quality": {
      const grades = new Map(event.participants.map((one) => [one.participant, one.grade]));
      return change({
        participants: session.participants.map((one) => {
          const quality = grades.get(one.id);
          return quality ? { ...one, quality } : one;
        }),
      });
    }
    case "ballot": {
      const { ballots } = session.ballots;
      const known = ballots.some((one) => one.id === event.ballot.id);
      const over = event.ballot.phase === "closed" || event.ballot.phase === "withdrawn";
      return change({
        ballots: {
          ...session.ballots,
          ballots: known ? ballots.map((one) => (one.id === event.ballot.id ? event.ballot : one)) : [...ballots, event.ballot].slice(-BALLOTS_KEPT),
          mine: over ? undefined : session.ballots.mine,
        },
      });
    }
    case "ballot_progress":
      return change({
        ballots: {
          ...session.ballots,
          ballots: session.ballots.ballots.map((one) => (one.id === event.ballot ? { ...one, voted: event.voted, issued: event.issued } : one)),
        },
      });
    case "my_ballot":
      return change({ ballots: { ...session.ballots, mine: event.mine } });
    case "ballot_records":
      return change({ ballots: { ...session.ballots, approval: event.approval, opinions: event.opinions } });
    case "slots":
    case "assignments":
    case "publish_layers":
    case "publish_codec":
    case "track_paused":
    case "muted":
    case "replaced":
    case "may_publish":
    case "media_connected":
      return view;
  }
}

function upsert(list: readonly ParticipantView[], changed: ParticipantView): ParticipantView[] {
  const known = list.some((one) => one.id === changed.id);
  return known ? list.map((one) => (one.id === changed.id ? changed : one)) : [...list, changed];
}
