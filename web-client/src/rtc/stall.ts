/**
 * Notices that a stream of bytes has stopped, from readings of its counter.
 *
 * A connection that carries media moves several times a second (sound, pictures, reports). When it
 * did and then stands still, its path is dead: the browser itself would say `disconnected` only
 * after five or six seconds. What moved seldom before (an empty room) tells nothing by standing
 * still, and a false alarm costs one exchange with the server and disturbs nobody.
 */
export const LOOK_EVERY_MS = 250;
/** Standing still for so long is a stall; less when the machine's network has just changed. */
const STILL_MS = 1_000;
const STILL_HINTED_MS = 500;
const HINT_LASTS_MS = 5_000;
/** Moved in this many of the last looks: regular. */
const LOOKS = 8;
const REGULAR = 6;
/** Between alarms. */
const PAUSE_MS = 10_000;

export class StallWatch {
  private bytes: number | null = null;
  private movedAtMs = 0;
  private alarmAtMs = Number.NEGATIVE_INFINITY;
  private hintAtMs = Number.NEGATIVE_INFINITY;
  private moved = false;
  /** Of the looks before the counter stood still: did it move? */
  private readonly moves: boolean[] = [];

  /** A reading; true when the stream has just been found dead. */
  look(nowMs: number, bytes: number): boolean {
    const moved = this.bytes !== null && bytes !== this.bytes;
    this.moved = moved;
    this.bytes = bytes;
    if (moved) this.movedAtMs = nowMs;
    const still = nowMs - this.movedAtMs;
    // The looks since it stands still say nothing about how it moved before.
    if (moved || still < LOOK_EVERY_MS * 2) this.note(moved);
    const enough = nowMs - this.hintAtMs < HINT_LASTS_MS ? STILL_HINTED_MS : STILL_MS;
    if (still < enough || this.moves.filter(Boolean).length < REGULAR) return false;
    if (nowMs - this.alarmAtMs < PAUSE_MS) return false;
    this.alarmAtMs = nowMs;
    this.moves.length = 0;
    return true;
  }

  /** The last reading was another one than that before. */
  get flows(): boolean {
    return this.moved;
  }

  /** There is a reason why it may stop now. */
  hint(nowMs: number): void {
    this.hintAtMs = nowMs;
  }

  /** Another path or connection: what was seen does not count. */
  forget(): void {
    this.bytes = null;
    this.moved = false;
    this.moves.length = 0;
  }

  private note(moved: boolean): void {
    this.moves.push(moved);
    if (this.moves.length > LOOKS) this.moves.shift();
  }
}
