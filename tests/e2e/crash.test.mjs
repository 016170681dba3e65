// kill -9 in mid-meeting: pages come back by themselves, no acknowledged event is lost, the chain
// verifies, the recording is one asset that misses at most two seconds a track.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { tone } from './lib/fake-devices.mjs';
import { officialSeconds, openMeeting, rendered } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { colours, decodeErrors, probe, toneShare } from './lib/recording.mjs';
import { Server, verb } from './lib/server.mjs';

const OUT = path.resolve('out');

describe('kill -9 of the server in mid-meeting', { timeout: 300_000 }, () => {
  let server;
  let chromium;
  let session;
  let secretary;
  let member;
  const moments = {};

  before(async () => {
    await mkdir(OUT, { recursive: true });
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    secretary = new Person(server, 'secretary', await chromium.page(1));
    member = new Person(server, 'member1', await chromium.page(2));
    session = await openMeeting(secretary);
    await secretary.join(session, { signedIn: true });
    await member.join(session);
    await secretary.sees(member);
    await member.sees(secretary);
  });

  after(async () => {
    await chromium?.close();
    await server?.remove();
  });

  test('pages come back within 5 s of the restart, with picture and sound', async () => {
    await secretary.page.click('btn-declare-open');
    await secretary.page.click('declare-open-confirm');
    await secretary.page.until(() => document.querySelector('[data-testid="recording-light"][data-state="on"]') !== null, null);
    moments.declared = Date.now();
    await secretary.volume(0.4);
    await member.page.click('btn-chat');
    await member.page.fill('chat-input', '断电前的一句话');
    await member.page.click('chat-send');
    await secretary.page.click('btn-chat');
    await secretary.page.until(() => document.body.textContent.includes('断电前的一句话'), null);
    await member.page.until((end) => Date.now() > end, moments.declared + 8_000);

    moments.killed = Date.now();
    await server.kill();
    await server.start();
    moments.ready = Date.now();
    for (const person of [secretary, member]) {
      await person.page.until(
        (since) => {
          const line = window.__yuntang?.lines?.at(-1);
          return line && line.state === 'online' && line.atMs > since;
        },
        moments.killed,
        5_000,
      );
    }
    moments.back = Date.now();
    await secretary.sees(member);
    await member.sees(secretary);
    await member.hears(secretary);
    moments.media = Date.now();
    console.log(
      `restart took ${moments.ready - moments.killed} ms; pages back ${moments.back - moments.ready} ms after it, media ${moments.media - moments.ready} ms`,
    );
    assert.ok(moments.back - moments.ready <= 5_000);
  });

  test('the meeting goes on and ends in order', async () => {
    await member.page.until((end) => Date.now() > end, moments.media + 6_000);
    moments.closing = Date.now();
    await secretary.page.click('btn-declare-close');
    await secretary.page.click('declare-close-confirm');
    await secretary.page.until(() => document.querySelector('[data-testid="room"]') === null, null);
  });

  test('nothing that the clients had acknowledged is missing, and the chain verifies', async () => {
    const file = path.join(OUT, 'crash-journal.jsonl');
    await verb(['journal', 'export', session, '--data', server.data, '-o', file]);
    await verb(['journal', 'verify', file]);
    const events = (await readFile(file, 'utf8')).trim().split('\n').slice(1).map((line) => JSON.parse(line));
    const text = JSON.stringify(events);
    for (const person of [secretary, member]) {
      const acknowledged = await person.page.evaluate(() => window.__yuntang.acks);
      assert.ok(acknowledged.length > 0);
      const joins = acknowledged.filter((entry) => entry.method === 'hello').length;
      const written = events.filter(
        (event) => ['join', 'rejoin'].includes(event.event?.type ?? event.type) && JSON.stringify(event).includes(person.id),
      ).length;
      assert.ok(written >= joins, `${person.key}: ${joins} welcomes, ${written} joins in the journal`);
    }
    assert.match(text, /"declared_open"/);
    assert.match(text, /"server_restart"/);
    assert.match(text, /"chat"/);
  });

  test('the recording is one asset that misses at most 2 s a track', async () => {
    const archive = await rendered(secretary, session);
    const file = path.join(server.data, 'archive', session, 'recording.mp4');
    const { seconds, video, audio } = await probe(file);
    assert.equal(video.length, 1);
    assert.equal(audio.length, 1);
    assert.ok(Math.abs(seconds - officialSeconds(archive)) <= 0.5, `${seconds} s, official ${officialSeconds(archive)} s`);
    assert.equal(await decodeErrors(file), '');
    const killed = (moments.killed - moments.declared) / 1000;
    const share = await toneShare(file, tone(secretary.index), killed - 3, 0.8);
    assert.ok(share > 0.3, `the secretary's tone until 2 s before the kill: ${share}`);
    assert.ok((await colours(file, killed - 2.2))[secretary.index] > 0.1, 'the picture until 2 s before the kill');
    const end = await toneShare(file, tone(secretary.index), seconds - 3, 1);
    assert.ok(end > 0.3, `the tone after the restart: ${end}`);
  });
});
