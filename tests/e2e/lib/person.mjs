// What a person does with the mouse, and what they see and hear. Every wait is for something on the
// page, with a deadline.
import assert from 'node:assert/strict';
import { COLOURS, tone } from './fake-devices.mjs';

const near = (a, b, within) => Math.abs(a - b) <= within;

export class Person {
  constructor(server, key, page) {
    this.server = server;
    this.account = server.account(key);
    this.key = key;
    this.page = page;
    this.index = page.index;
    this.id = this.account.person_id;
    this.name = this.account.name;
    /** The test's own log: what this person did and when (ms). */
    this.log = [];
  }

  /**
   * The page's own record of `method`: it was sent at `sent` and its acknowledgement read at `at` (ms), so
   * the server did it in between. A page that is short of processor time reads late.
   */
  async note(what, method) {
    // A page that leaves shows so before the server has answered.
    const ack = await this.page.until(
      (name) => window.__yuntang.acks.filter((entry) => entry.method === name).at(-1) ?? null,
      method,
    );
    const entry = { what, sent: ack.sentMs, at: ack.atMs };
    this.log.push(entry);
    return entry;
  }

  /** With the numbers that tests read (`debug`) and one camera encoding (`layers=1`). */
  address(url) {
    const full = new URL(url, this.server.url);
    full.searchParams.set('debug', '');
    full.searchParams.set('layers', '1');
    return full.href;
  }

  async signIn(url = '/') {
    await this.page.goto(this.address(url));
    await this.page.fill('login-name', this.account.login);
    await this.page.fill('login-password', this.account.password);
    await this.page.click('login-submit');
  }

  /** From the link to the room: sign in, device check, consent, enter. */
  async join(sessionId, { signedIn = false, camera = true } = {}) {
    const url = `/s/${sessionId}`;
    if (signedIn) await this.page.goto(this.address(url));
    else await this.signIn(url);
    await this.enter({ camera });
  }

  async enter({ camera = true } = {}) {
    await this.page.click('lobby-consent');
    await this.page.click(camera ? 'lobby-join' : 'lobby-nocam');
    await this.inRoom();
    await this.note('in', 'hello');
  }

  inRoom(timeout = 20_000) {
    return this.page.until(() => document.querySelector('[data-testid="room"][data-phase="in"]') !== null, null, timeout);
  }

  /** Waits until the tile of `who` shows their own moving code, from `source`. */
  async sees(who, { source = 'camera', timeout = 20_000 } = {}) {
    const wanted = { id: who.id, source, person: source === 'screen' ? 0 : who.index, colour: COLOURS[source === 'screen' ? 0 : who.index] };
    await this.page
      .until(
        ({ id, source, person, colour }) => {
          const video = document.querySelector(`video[data-participant="${id}"][data-source="${source}"]`);
          // Played is not enough: a person has to be able to see it.
          if (!video || video.clientWidth < 60 || video.clientHeight < 30) return false;
          const seen = window.__see(video);
          if (!seen || seen.person !== person) return false;
          if (Math.hypot(...seen.colour.map((value, i) => value - colour[i])) > 60) return false;
          // Moving: two different times of the code within this wait.
          const key = `${id}/${source}`;
          const times = ((window.__times ??= {})[key] ??= new Set());
          times.add(seen.time);
          if (times.size < 3) return false;
          delete window.__times[key];
          return true;
        },
        wanted,
        timeout,
      )
      .catch(async (error) => {
        const now = await this.page.evaluate(
          ({ id, source }) => {
            const video = document.querySelector(`video[data-participant="${id}"][data-source="${source}"]`);
            return { there: !!video, width: video?.videoWidth, shown: [video?.clientWidth, video?.clientHeight], seen: window.__see(video) };
          },
          wanted,
        );
        throw new Error(`${this.key} does not see ${who.key}'s ${source}: ${JSON.stringify(now)} (${error.message})`);
      });
  }

  /** Waits until the tone of `who` is the loudest in what plays as theirs. */
  async hears(who, { timeout = 20_000 } = {}) {
    const wanted = { id: who.id, frequency: tone(who.index) };
    await this.page
      .until(
        ({ id, frequency }) => {
          const heard = window.__hear(document.querySelector(`audio[data-participant="${id}"][data-source="microphone"]`));
          return heard !== null && Math.abs(heard - frequency) < 12;
        },
        wanted,
        timeout,
      )
      .catch(async (error) => {
        const now = await this.page.evaluate(
          ({ id }) => {
            const element = document.querySelector(`audio[data-participant="${id}"][data-source="microphone"]`);
            return { there: !!element, heard: window.__hear(element) };
          },
          wanted,
        );
        throw new Error(`${this.key} does not hear ${who.key} (${wanted.frequency} Hz): ${JSON.stringify(now)} (${error.message})`);
      });
  }

  /** Waits until the participant list no longer shows `who` as online. */
  noLongerSees(who, timeout = 20_000) {
    return this.page.until(
      (id) => document.querySelector(`video[data-participant="${id}"]`) === null,
      who.id,
      timeout,
    );
  }

  volume(gain) {
    return this.page.evaluate((value) => {
      window.__fake.gain.value = value;
    }, gain);
  }

  /** An authenticated call of the page's own origin. */
  async api(path, { method = 'GET', body } = {}) {
    const answer = await this.page.evaluate(
      async ({ path, method, body }) => {
        const response = await fetch(path, {
          method,
          headers: body ? { 'content-type': 'application/json' } : {},
          body: body ? JSON.stringify(body) : undefined,
        });
        const text = await response.text();
        return { status: response.status, text };
      },
      { path, method, body },
    );
    return { status: answer.status, json: answer.text ? JSON.parse(answer.text) : null };
  }

  async leave() {
    await this.page.click('btn-leave');
    await this.page.click('leave-confirm');
    await this.page.until(() => document.querySelector('[data-testid="room"]') === null, null);
    await this.note('out', 'leave');
  }

  /** The first entry of the log for `what`. */
  logged(what) {
    const found = this.log.find((entry) => entry.what === what);
    assert.ok(found, `${this.key} has no "${what}" in the log`);
    return found;
  }
}

export { near };
