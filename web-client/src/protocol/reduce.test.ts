import { describe, expect, it } from "vitest";
import type { Event as RoomEvent } from "./generated/protocol";
import { reduce, type RoomView } from "./reduce";
import { aParticipant, aSnapshot } from "@/dev/fixtures";

const start = (): RoomView => ({ session: aSnapshot({ participants: [aParticipant("a"), aParticipant("b")] }), mayTakeOver: false });
const play = (events: RoomEvent[], view = start()) => events.reduce(reduce, view);

describe("what events do to the room", () => {
  it("adds who joins and replaces who changes, keeping the order", () => {
    const view = play([
      { kind: "participant_joined", participant: aParticipant("c") },
      { kind: "participant_changed", participant: { ...aParticipant("b"), hand: true } },
    ]);
    expect(view.session.participants.map((one) => [one.id, one.hand])).toEqual([["a", false], ["b", true], ["c", false]]);
  });

  it("keeps who left in the list, offline and with everything off", () => {
    const view = play([{ kind: "participant_left", participant: "a", reason: "drop" }]);
    expect(view.session.participants[0]).toMatchObject({ id: "a", online: false, mic: false, cam: false, hand: false });
  });

  it("grades those it is told of, and nobody who is away", () => {
    const graded = play([{ kind: "quality", participants: [{ participant: "a", grade: "poor" }] }]);
    expect(graded.session.participants.map((one) => one.quality)).toEqual(["poor", undefined]);
    const left = play([{ kind: "participant_left", participant: "a", reason: "drop" }], graded);
    expect(left.session.participants[0]?.quality).toBeUndefined();
  });

  it("shows a chat message once, however often a replay brings it", () => {
    const message = { id: "m", participant: "a", name: "甲", text: "到", at_us: 1 };
    const view = play([{ kind: "chat", message }, { kind: "chat", message }]);
    expect(view.session.chat).toEqual([message]);
  });

  it("ends with the same picture when a tail of events is played twice", () => {
    const events: RoomEvent[] = [
      { kind: "participant_joined", participant: aParticipant("c") },
      { kind: "agenda", index: 1 },
      { kind: "session_state", state: "declared_open", at_us: 7 },
      { kind: "speaker", participant: "c" },
      { kind: "chair", may_take_over: true },
      { kind: "participant_left", participant: "c", reason: "user" },
    ];
    const once = play(events);
    expect(play(events.slice(2), once)).toEqual(once);
    expect(once.session).toMatchObject({ state: "declared_open", declared_open_us: 7, agenda_index: 1, chair: undefined });
    expect(once.mayTakeOver).toBe(true);
  });
});
