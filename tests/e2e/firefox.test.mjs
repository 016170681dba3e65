// The same meeting with a Firefox ESR member: another engine sends and receives.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium, Firefox } from './lib/browsers.mjs';
import { tone } from './lib/fake-devices.mjs';
import { officialSeconds, openMeeting, rendered } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { decodeErrors, probe, toneShare } from './lib/recording.mjs';
import { Server } from './lib/server.mjs';

const OUT = path.resolve('out');

describe('a Firefox member among Chromium members', { timeout: 300_000 }, () => {
  let server;
  let chromium;
  let firefox;
  let session;
  let secretary;
  let member;
  let fox;

  before(async () => {
    await mkdir(OUT, { recursive: true });
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    firefox = await Firefox.launch();
    secretary = new Person(server, 'secretary', await chromium.page(1));
    member = new Person(server, 'member1', await chromium.page(2));
    fox = new Person(server, 'member2', await firefox.page(3));
    session = await openMeeting(secretary);
  });

  after(async () => {
    await firefox?.close();
    await chromium?.close();
    await server?.remove();
  });

  test('everyone sees and hears everyone, both ways', async () => {
    await secretary.join(session, { signedIn: true });
    await fox.join(session);
    await member.join(session);
    const here = [secretary, member, fox];
    for (const one of here) {
      for (const other of here.filter((person) => person !== one)) {
        await one.sees(other);
        await one.hears(other);
      }
    }
    await fox.page.screenshot(path.join(OUT, 'room-firefox.png'));
  });

  test('a shared screen reaches Firefox', async () => {
    await secretary.page.click('btn-declare-open');
    await secretary.page.click('declare-open-confirm');
    await secretary.page.click('btn-screen');
    await fox.sees(secretary, { source: 'screen' });
    await secretary.page.click('btn-screen');
  });

  test('Firefox speaks and is recorded', async () => {
    await fox.volume(0.4);
    const begun = Date.now();
    await secretary.page.until((end) => Date.now() > end, begun + 5_000);
    await secretary.page.click('btn-declare-close');
    await secretary.page.click('declare-close-confirm');
    const archive = await rendered(secretary, session);
    const file = path.join(server.data, 'archive', session, 'recording.mp4');
    const { seconds } = await probe(file);
    assert.ok(Math.abs(seconds - officialSeconds(archive)) <= 0.5);
    assert.equal(await decodeErrors(file), '');
    const share = await toneShare(file, tone(fox.index), seconds - 3, 1);
    assert.ok(share > 0.3, `Firefox's tone: ${share}`);
    const row = archive.attendance.people.find((entry) => entry.person_id === fox.id);
    assert.equal(row.status, 'present');
  });
});
