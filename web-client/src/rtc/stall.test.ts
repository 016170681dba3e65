import { expect, it } from "vitest";
import { LOOK_EVERY_MS, StallWatch } from "./stall";

/** Feeds looks: a number of bytes more each time; when it first alarmed, in ms. */
function alarm(watch: StallWatch, looks: number[], from = 0): number | null {
  let bytes = from * 1_000;
  for (const [at, more] of looks.entries()) {
    bytes += more;
    const now = (from + at) * LOOK_EVERY_MS;
    if (watch.look(now, bytes)) return now;
  }
  return null;
}
const flowing = (looks: number) => Array.from({ length: looks }, () => 900);
const still = (looks: number) => Array.from({ length: looks }, () => 0);

it("finds a path dead one second after what flowed stands still", () => {
  expect(alarm(new StallWatch(), [...flowing(10), ...still(20)])).toBe(9 * LOOK_EVERY_MS + 1_000);
});

it("says nothing while bytes flow, with pauses as sound has them", () => {
  const talk = Array.from({ length: 200 }, (_, at) => (at % 4 === 3 ? 0 : 300));
  expect(alarm(new StallWatch(), talk)).toBeNull();
});

it("takes no alarm from a room in which hardly anything flows", () => {
  const quiet = Array.from({ length: 400 }, (_, at) => (at % 10 === 0 ? 100 : 0));
  expect(alarm(new StallWatch(), quiet)).toBeNull();
});

it("alarms once, and again only after it has flowed and ten seconds are over", () => {
  const watch = new StallWatch();
  expect(alarm(watch, [...flowing(10), ...still(30)])).not.toBeNull();
  expect(alarm(watch, [...flowing(8), ...still(8)], 14)).toBeNull();
  expect(alarm(watch, [...flowing(40), ...still(10)], 40)).not.toBeNull();
});

it("starts anew with another connection", () => {
  const watch = new StallWatch();
  alarm(watch, flowing(10));
  watch.forget();
  expect(alarm(watch, still(20), 10)).toBeNull();
});
