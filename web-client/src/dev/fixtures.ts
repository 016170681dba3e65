/** Small valid values for tests. */
import type { ParticipantView, SessionSnapshot, Welcome } from "@/protocol/generated/protocol";

export const aParticipant = (id: string, part: Partial<ParticipantView> = {}): ParticipantView => ({
  id, name: id, role: "member", org_name: "支部", online: true, devices: 1, mic: false, cam: false, screen: false, hand: false, consent: true, since_us: 0, ...part,
});

export const aSnapshot = (part: Partial<SessionSnapshot> = {}): SessionSnapshot => ({
  id: "s", kind: "branch_assembly", title: "支部党员大会", org_name: "支部", state: "opened", planned_start_us: 0, agenda: [], participants: [],
  counts: { due: 2, present: 2, due_voters: 2, present_voters: 2, leave: 0, absent: 0, observers: 0 }, recording: { state: "off" }, records_away: false, chair: "a", ballots: { ballots: [], opinions: [], kinds: [] }, chat: [], ...part,
});

export const aWelcome = (part: Partial<Welcome> = {}): Welcome => ({
  participant: "a", endpoint: "e", resume_token: "r1", resumed: false, seq: 0, session: aSnapshot({ participants: [aParticipant("a")] }),
  server_time_us: 0, slots_audio: 0, slots_video: 0, ...part,
});
