// The main job in real browsers: a branch meets, is seen and heard by everyone, is observed,
// recorded, counted and archived. Ground truth is the test's own log and the codes and tones that
// each fake device gives.
import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium, Firefox } from './browsers.mjs';
import { COLOURS, tone } from './fake-devices.mjs';
import { officialSeconds } from './meeting.mjs';
import { Person } from './person.mjs';
import { colours, decodeErrors, probe, toneShare } from './recording.mjs';
import { Server, verb } from './server.mjs';

const LATE_S = 4;
const EARLY_S = 4;

/** The whole meeting as tests; with `firefox` the member who leaves early sits before Firefox ESR. */
export const assembly = (name, { firefox: withFirefox = false } = {}) => describe(name, { timeout: 400_000 }, () => {
  const OUT = path.resolve(withFirefox ? 'out/firefox' : 'out');
  let server;
  let chromium;
  let firefox;
  let session;
  let secretary;
  let early;
  let reloader;
  let late;
  let observer;
  const moments = {};
  const mark = (name) => (moments[name] = Date.now());
  /** Seconds since 宣布开会. */
  const since = (name) => (moments[name] - moments.declared) / 1000;

  before(async () => {
    await mkdir(OUT, { recursive: true });
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    secretary = new Person(server, 'secretary', await chromium.page(1));
    if (withFirefox) firefox = await Firefox.launch();
    early = new Person(server, 'member1', await (firefox ?? chromium).page(2));
    reloader = new Person(server, 'member2', await chromium.page(3));
    late = new Person(server, 'member3', await chromium.page(4, { viewport: { width: 390, height: 844 } }));
    observer = new Person(server, 'observer', await chromium.page(5));
  });

  after(async () => {
    await firefox?.close();
    await chromium?.close();
    await server?.remove();
    // The README's pictures are this run's.
    if (process.env.YUNTANG_DOCS_IMAGES && !withFirefox) {
      for (const name of ['archive', 'create', 'lobby', 'room', 'room-phone', 'room-share']) {
        await copyFile(path.join(OUT, `${name}.png`), path.resolve('../../docs/images', `${name}.png`));
      }
    }
  });

  test('the secretary signs in, creates the meeting and opens it', async () => {
    await secretary.signIn('/');
    await secretary.page.click('create-session');
    await secretary.page.fill('create-title', '第三季度支部党员大会');
    await secretary.page.fill('create-agenda-0', '传达学习文件');
    await secretary.page.screenshot(path.join(OUT, 'create.png'));
    await secretary.page.click('create-submit');
    session = await secretary.page.until(() => /\/sessions\/([0-9a-f-]{36})/.exec(location.pathname)?.[1] ?? null, null);
    const policy = await secretary.api(`/api/sessions/${session}/policy`, {
      method: 'PUT',
      body: { late_after_s: LATE_S, early_before_s: EARLY_S, min_ratio_permille: 500, bridge_s: 60 },
    });
    assert.equal(policy.status, 200, JSON.stringify(policy.json));
    await secretary.page.click('session-open');
    await secretary.page.until(() => document.querySelector('[data-testid="enter"]') !== null, null);
    await secretary.page.screenshot(path.join(OUT, 'session.png'));
  });

  test('members come in by the link; everyone sees and hears everyone', async () => {
    await secretary.join(session, { signedIn: true });
    await early.signIn(`/s/${session}`);
    await early.page.until(() => document.querySelector('[data-testid="lobby-consent"]') !== null, null);
    await early.page.screenshot(path.join(OUT, 'lobby.png'));
    await early.enter();
    await reloader.join(session);
    const here = [secretary, early, reloader];
    for (const one of here) {
      for (const other of here.filter((person) => person !== one)) {
        await one.sees(other);
        await one.hears(other);
      }
    }
  });

  test('宣布开会 starts the official time and the recording', async () => {
    await secretary.volume(0.4);
    await secretary.page.click('btn-declare-open');
    await secretary.page.click('declare-open-confirm');
    await secretary.page.until(() => document.querySelector('[data-testid="recording-light"][data-state="on"]') !== null, null);
    moments.declared = (await secretary.note('open', 'declare_open')).at;
  });

  test('a superior sits in, is shown to all and publishes nothing', async () => {
    await observer.signIn('/');
    await observer.page.click(`observe-${session}`);
    await observer.enter({ camera: false });
    mark('observed');
    for (const person of [secretary, early, reloader]) {
      await person.page.until(() => document.querySelector('[data-testid="observer-banner"]') !== null, null);
      await observer.sees(person);
      await observer.hears(person);
    }
    const published = await secretary.page.evaluate(
      (id) => document.querySelectorAll(`[data-participant="${id}"]:is(video, audio)`).length,
      observer.id,
    );
    assert.equal(published, 0, 'the observer has no tile with media');
  });

  test('one arrives late', async () => {
    await late.join(session);
    mark('late');
    assert.ok(since('late') > LATE_S, 'the test itself must be late');
    for (const person of [secretary, early, reloader]) {
      await late.sees(person);
      await late.hears(person);
      await person.sees(late);
      await person.hears(late);
    }
    await secretary.page.screenshot(path.join(OUT, 'room.png'));
    await late.page.screenshot(path.join(OUT, 'room-phone.png'));
  });

  test('chat reaches everyone', async () => {
    await early.page.click('btn-chat');
    await early.page.fill('chat-input', '同意以上安排');
    await early.page.click('chat-send');
    await secretary.page.click('btn-chat');
    await secretary.page.until(() => document.body.textContent.includes('同意以上安排'), null);
  });

  test('a reload brings the same person back', async () => {
    await secretary.volume(0.03);
    await reloader.volume(0.4);
    mark('reloaderSpeaks');
    await reloader.page.reload();
    // Straight back into the room: the lobby is not asked again.
    await reloader.inRoom();
    await secretary.sees(reloader);
    await reloader.sees(secretary);
    await secretary.hears(reloader);
    await reloader.volume(0.4);
    mark('reloaded');
    // A stretch of this speaker alone, for the recording.
    await reloader.page.until((end) => Date.now() > end, Date.now() + 3_500);
    const names = await secretary.page.evaluate(
      (id) => document.querySelectorAll(`[data-testid="tile-${id}"]`).length, reloader.id,
    );
    assert.equal(names, 1, 'one tile for one person');
  });

  test('a shared screen is seen by all and ends', async () => {
    await secretary.page.click('btn-screen');
    for (const person of [early, reloader, late, observer]) await person.sees(secretary, { source: 'screen' });
    mark('screenSeen');
    await secretary.page.screenshot(path.join(OUT, 'room-share.png'));
    // Let the recording have a stretch of it.
    await early.page.until((end) => Date.now() > end, Date.now() + 5_000);
    mark('screenStops');
    await secretary.page.click('btn-screen');
    await reloader.volume(0.03);
    await early.volume(0.4);
    mark('earlySpeaks');
    await early.page.until(
      (id) => document.querySelector(`video[data-participant="${id}"][data-source="screen"]`) === null, secretary.id,
    );
  });

  test('one leaves early; nobody freezes', async () => {
    await secretary.page.until((end) => Date.now() > end, moments.earlySpeaks + 2_500);
    await early.leave();
    mark('earlyLeft');
    await secretary.noLongerSees(early);
    for (const person of [reloader, late, observer]) await person.sees(secretary);
    await secretary.sees(late);
    // The rest lasts longer than the threshold for 早退.
    await secretary.page.until((end) => Date.now() > end, moments.earlyLeft + (EARLY_S + 4) * 1000, 30_000);
  });

  test('散会 ends the official time', async () => {
    await secretary.page.click('btn-declare-close');
    await secretary.page.click('declare-close-confirm');
    await secretary.page.until(() => document.querySelector('[data-testid="room"]') === null, null);
    await secretary.note('close', 'declare_close');
  });

  test('an outsider is refused in plain words', async () => {
    const outsider = new Person(server, 'outsider', await chromium.page(6));
    await outsider.signIn(`/s/${session}`);
    await outsider.page.until(() => document.querySelector('[data-testid="refusal"]') !== null, null);
    const answer = await outsider.api(`/api/sessions/${session}/join`, { method: 'POST', body: {} });
    assert.equal(answer.status, 403);
    assert.equal(answer.json.code, 'forbidden');
    await outsider.page.screenshot(path.join(OUT, 'refused.png'));
    await outsider.page.close();
  });

  let archive;
  test('the archive page plays the recording', async () => {
    await secretary.page.goto(`${server.url}/archive/${session}`);
    await secretary.page.until(() => document.querySelector('[data-testid="archive-video"]') !== null, null, 120_000);
    archive = (await secretary.api(`/api/archive/${session}`)).json;
    assert.equal(archive.render.state, 'done');
    const seeked = await secretary.page.until(
      () => {
        const video = document.querySelector('[data-testid="archive-video"]');
        if (video.readyState < 1) return false;
        if (!window.__asked) {
          window.__asked = true;
          video.currentTime = video.duration / 2;
          return false;
        }
        return !video.seeking && video.readyState >= 2 && video.currentTime > video.duration / 3 ? video.currentTime : false;
      },
      null,
      30_000,
    );
    assert.ok(seeked > 0);
    await secretary.page.until(() => document.body.textContent.includes('链校验通过'), null);
    await secretary.page.screenshot(path.join(OUT, 'archive.png'), { fullPage: true });
  });

  test('the recording is the meeting: length, people, voices, screen', async () => {
    const file = path.join(server.data, 'archive', session, 'recording.mp4');
    await copyFile(file, path.join(OUT, 'meeting.mp4'));
    const { seconds, video, audio } = await probe(file);
    assert.equal(video.length, 1);
    assert.equal(audio.length, 1);
    const official = officialSeconds(archive);
    assert.ok(Math.abs(seconds - official) <= 0.5, `${seconds} s recorded, ${official} official`);
    const [opened, closed] = [secretary.logged('open'), secretary.logged('close')];
    const [least, most] = [closed.sent - opened.at, closed.at - opened.sent].map((ms) => ms / 1000);
    assert.ok(seconds >= least - 0.5 && seconds <= most + 0.5, `${seconds} s recorded, ${least} to ${most} s by the secretary's page`);
    assert.equal(await decodeErrors(file), '');

    const opening = await colours(file, 3);
    assert.ok(opening[secretary.index] > 0.2, `the secretary speaks first: ${opening}`);
    assert.ok((await toneShare(file, tone(secretary.index), 3)) > 0.3, "the secretary's tone");
    const after = await colours(file, since('reloaded') + 2);
    assert.ok(after[reloader.index] > 0.2, `then the reloader: ${after}`);
    assert.ok((await toneShare(file, tone(reloader.index), since('reloaded') + 0.5)) > 0.3, "the reloader's tone");
    const third = await toneShare(file, tone(early.index), since('earlySpeaks') + 0.5);
    assert.ok(third > 0.3, `the tone of the one who leaves early: ${third}`);
    const shared = await colours(file, since('screenStops') - 1);
    assert.ok(shared[0] > 0.3, `the shared screen: ${shared}`);
    const end = await colours(file, seconds - 2);
    assert.ok(end[0] < 0.02 && end[early.index] < 0.02, `neither screen nor the one who left: ${end}`);
    assert.ok(COLOURS.length > 5);
  });

  test("the attendance sheet equals the test's own log", async () => {
    const rows = new Map(archive.attendance.people.map((row) => [row.person_id, row]));
    const { start_us: open, end_us: close } = archive.official;
    const seconds = (from, to) => (Math.min(to * 1000, close) - Math.max(from * 1000, open)) / 1e6;
    const effective = (person, from, to) => {
      const row = rows.get(person.id);
      const have = row.intervals.reduce((sum, one) => sum + Math.max(0, seconds(one.from_us / 1000, one.to_us / 1000)), 0);
      assert.equal(row.effective_s, Math.floor(have), `${person.key}: the sheet rounds ${have} s down`);
      const [least, most] = [seconds(from.at, to.sent), seconds(from.sent, to.at)];
      assert.ok(have >= least - 1 && have <= most + 1, `${person.key}: ${have} s counted, ${least} to ${most} s by the log`);
    };
    const end = { sent: Infinity, at: Infinity };
    effective(secretary, secretary.logged('in'), end);
    effective(early, early.logged('in'), early.logged('out'));
    effective(late, late.logged('in'), end);
    effective(reloader, reloader.logged('in'), end);
    assert.equal(rows.get(secretary.id).status, 'present');
    assert.equal(rows.get(reloader.id).status, 'present');
    assert.equal(rows.get(late.id).status, 'late');
    assert.equal(rows.get(early.id).status, 'early');
    assert.equal(rows.get(observer.id).status, 'observer');
    const { totals } = archive.attendance;
    assert.equal(totals.present, 4);
    assert.equal(totals.observers, 1);
    assert.equal(totals.absent, totals.due - 4);
    const sheet = await secretary.page.evaluate(async (url) => {
      const response = await fetch(url);
      const bytes = new Uint8Array(await response.arrayBuffer());
      return { status: response.status, length: bytes.length, magic: String.fromCharCode(...bytes.slice(0, 2)) };
    }, `/api/archive/${session}/attendance.xlsx`);
    assert.deepEqual([sheet.status, sheet.magic], [200, 'PK']);
    assert.ok(sheet.length > 4_000);
  });

  test('the exported journal verifies, and a changed one does not', async () => {
    const file = path.join(OUT, 'journal.jsonl');
    await verb(['journal', 'export', session, '--data', server.data, '-o', file]);
    await verb(['journal', 'verify', file]);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const seq = Math.floor(lines.length / 2);
    lines[seq] = lines[seq].replace(/"at_us":(\d)/, (_, digit) => `"at_us":${(Number(digit) + 1) % 10}`);
    const forged = path.join(OUT, 'forged.jsonl');
    await writeFile(forged, lines.join('\n') + '\n');
    const { out, err } = await verb(['journal', 'verify', forged], { okCodes: [1] });
    assert.match(out + err, new RegExp(`\\b${JSON.parse(lines[seq]).seq}\\b`), 'names the first bad sequence number');
  });
});
