// WHIP and WHEP with clients of others: FFmpeg publishes, Eyevinn's clients publish and play in a page
// of another site, aiortc plays and publishes. Codes and tones say who is seen and heard.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { COLOURS, tone } from './lib/fake-devices.mjs';
import { openMeeting, rendered } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { Script, python } from './lib/python.mjs';
import { colours, decodeErrors, probe, toneShare } from './lib/recording.mjs';
import { Server, verb } from './lib/server.mjs';
import { otherSite, play, plays, publish } from './lib/streams.mjs';

const ENCODER = '讲台摄像机';

describe('streams by standard clients', { timeout: 900_000 }, () => {
  let server;
  let chromium;
  let site;
  let secretary;
  let session;
  let ffmpeg;
  const scripts = [];

  const token = async (kind, name) => {
    const args = ['token', kind, '--data', server.data, '--session', session, '--name', name, '--ttl', '1h'];
    return { url: `${server.url}/${kind}/${session}`, token: (await verb(args)).out.trim() };
  };
  const script = async (name, args) => {
    const started = await Script.start(name, args);
    scripts.push(started);
    return started;
  };
  /** A page of the other site; `index` is its camera and microphone. */
  const visitor = async (index) => {
    const page = await chromium.page(index);
    await page.goto(site.url);
    return page;
  };
  /** The participant of this name in the secretary's room. */
  const participant = async (name) => {
    const found = await secretary.page.until(
      (name) => {
        const tile = [...document.querySelectorAll('[data-testid="room"] video[data-participant]')].find(
          (video) => video.closest('[data-name]')?.dataset.name === name || video.parentElement?.textContent.includes(name),
        );
        return tile?.dataset.participant ?? null;
      },
      name,
      30_000,
    );
    return found;
  };
  const journal = async () => (await secretary.api(`/api/archive/${session}/journal?limit=500`)).json.items.map((item) => item.event);

  before(async () => {
    await python();
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    site = await otherSite();
    secretary = new Person(server, 'secretary', await chromium.page(1));
    session = await openMeeting(secretary, { title: '党史学习专题党课' });
    await secretary.join(session, { signedIn: true, camera: false });
  });

  after(async () => {
    for (const one of scripts) if (one.code === undefined) await one.kill();
    site?.close();
    await chromium?.close();
    await server?.remove();
  });

  test('a player that came first plays the lecture as soon as FFmpeg publishes it', async () => {
    const watching = await visitor(5);
    await play(watching, await token('whep', '大厅显示屏'));
    const { url, token: bearer } = await token('whip', ENCODER);
    ffmpeg = await script('publish.py', [url, bearer, '3', String(tone(3)), COLOURS[3].join(','), 'profile=baseline']);
    await ffmpeg.said('publishing');
    await plays(watching, { index: 3, frequency: tone(3) });
    await watching.evaluate(() => window.__player.unload());
    await watching.close();
  });

  test('FFmpeg is a participant whom the room sees, hears and records', async () => {
    await secretary.page.click('btn-declare-open');
    await secretary.page.click('declare-open-confirm');
    await secretary.page.until(() => document.querySelector('[data-testid="recording-light"][data-state="on"]') !== null, null);
    const declared = Date.now();
    const encoder = { id: await participant(ENCODER), key: 'ffmpeg', index: 3 };
    await secretary.sees(encoder);
    await secretary.hears(encoder);
    // Long enough for the recording to be looked at.
    await secretary.page.until((until) => Date.now() >= until, declared + 8_000);
  });

  test('Eyevinn’s WHIP client publishes from a page of another site', async () => {
    const page = await visitor(4);
    await publish(page, await token('whip', '第二机位'));
    const camera = { id: await participant('第二机位'), key: 'eyevinn', index: 4 };
    await secretary.sees(camera);
    await secretary.hears(camera);
    // One participant, chosen by the address.
    const watching = await visitor(6);
    const whep = await token('whep', '导播');
    await play(watching, { ...whep, url: `${whep.url}/${camera.id}` });
    await plays(watching, { index: 4, frequency: tone(4) });
    await page.evaluate(() => window.__publisher.destroy());
    await secretary.noLongerSees(camera);
    await watching.evaluate(() => window.__player.unload());
    await watching.close();
  });

  test('aiortc plays the lecture and publishes', async () => {
    const whep = await token('whep', '转播');
    const player = await script('aiortc_client.py', ['play', whep.url, whep.token, '3', String(tone(3))]);
    await player.said('seen and heard', 90_000);
    assert.equal(await player.end(), 0, player.errors);
    const whip = await token('whip', '第三机位');
    const args = ['publish', whip.url, whip.token, '2', String(tone(2)), COLOURS[2].join(',')];
    const publisher = await script('aiortc_client.py', args);
    const camera = { id: await participant('第三机位'), key: 'aiortc', index: 2 };
    await secretary.sees(camera);
    await secretary.hears(camera);
    assert.equal(await publisher.end(), 0, publisher.errors);
    await secretary.noLongerSees(camera);
  });

  test('a stack that has only AES_CM_128_HMAC_SHA1_80 publishes and plays; one that has GCM gets that', async () => {
    const whip = await token('whip', '旧式编码器');
    const publisher = await script('aiortc_client.py', ['--sha1', 'publish', whip.url, whip.token, '2', String(tone(2)), COLOURS[2].join(',')]);
    const camera = { id: await participant('旧式编码器'), key: 'sha1', index: 2 };
    await secretary.sees(camera);
    await secretary.hears(camera);
    // One plays by the old profile what another browser sends by the new one, and the other way round.
    const { url, token: bearer } = await token('whep', '旧式屏幕');
    for (const [old, profile] of [[['--sha1'], 'SRTP_AES128_CM_SHA1_80'], [[], /^SRTP_AEAD_AES_(128|256)_GCM$/]]) {
      const player = await script('aiortc_client.py', [...old, 'play', `${url}/${camera.id}`, bearer, '2', String(tone(2))]);
      await player.said('seen and heard', 90_000);
      assert.equal(await player.end(), 0, player.errors);
      assert.match(player.lines.find((line) => line.startsWith('profile '))?.slice(8) ?? 'none', new RegExp(profile));
    }
    assert.equal(await publisher.end(), 0, publisher.errors);
    assert.equal(publisher.lines.find((line) => line.startsWith('profile ')), 'profile SRTP_AES128_CM_SHA1_80');
    await secretary.noLongerSees(camera);
  });

  test('who leaves in good order is gone at once, and the journal has them all', async () => {
    const id = await participant(ENCODER);
    assert.equal(await ffmpeg.end(), 0, ffmpeg.errors);
    await secretary.noLongerSees({ id });
    // A player that is closed without a word is gone when its consent has expired, after 30 s.
    await secretary.page.until(
      async (session) => {
        const answer = await fetch(`/api/archive/${session}/journal?limit=500`).then((response) => response.json());
        return answer.items.filter((item) => item.event.type === 'observer_exit').length === 5;
      },
      session,
      60_000,
    );
    const events = await journal();
    const join = events.find((event) => event.type === 'join' && event.name === ENCODER);
    assert.equal(join.device, 'whip');
    const leave = events.find((event) => event.type === 'leave' && event.endpoint === join.endpoint);
    assert.equal(leave.reason, 'user');
    const viewers = events.filter((event) => event.type === 'observer_enter').map((event) => event.name);
    assert.deepEqual(viewers, ['大厅显示屏', '导播', '转播', '旧式屏幕', '旧式屏幕']);
  });

  test('the recording has the lecturer', async () => {
    await secretary.page.click('btn-declare-close');
    await secretary.page.click('declare-close-confirm');
    await rendered(secretary, session);
    const { out } = await verb(['session', 'list', '--data', server.data]);
    assert.ok(out.includes(session));
    const file = path.join(server.data, 'archive', session, 'recording.mp4');
    const made = await probe(file);
    assert.ok(made.seconds > 8 && made.video.length === 1 && made.audio.length === 1, JSON.stringify(made));
    assert.equal(await decodeErrors(file), '');
    const shares = await colours(file, 5);
    assert.ok(shares[3] > 0.1, `the lecturer's colour covers ${shares[3]}`);
    assert.ok((await toneShare(file, tone(3), 4)) > 0.5, 'the lecturer is heard');
  });

  test('the demo’s own addresses and tokens work as they are', async () => {
    const demo = JSON.parse(await readFile(path.join(server.data, 'demo.json'), 'utf8'));
    const watching = await visitor(5);
    await play(watching, demo.whep);
    // High profile and a GOP of a second, as encoders come out of the box.
    const encoder = await script('publish.py', [demo.whip.url, demo.whip.token, '6', String(tone(6)), COLOURS[6].join(','), 'profile=high']);
    await encoder.said('publishing');
    await plays(watching, { index: 6, frequency: tone(6) });
    assert.equal(await encoder.end(), 0, encoder.errors);
  });
});
