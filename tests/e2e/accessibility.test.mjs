// Every page of the main job against the WCAG rules that a machine can check (axe-core), on the
// real server: nothing serious, in standard and large type, on the desktop and on a phone.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { openMeeting, rendered } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { Server } from './lib/server.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Every checked page is kept as a picture, for people to look at. */
const SCREENS = path.resolve('out/screens');
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1366, height: 768 };

/** What axe finds on the page as it stands: rule, place and reason of everything serious. */
async function serious(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter((one) => one.impact === 'serious' || one.impact === 'critical')
      .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
  });
}

describe('accessibility', { timeout: 180_000 }, () => {
  let server;
  let chromium;
  let secretary;
  let senior;
  let session;
  let pictures = 0;

  /** Checks the page as it is, in both sizes. */
  async function fine(person, ready) {
    for (const size of [DESKTOP, PHONE]) {
      await person.page.raw.setViewportSize(size);
      await person.page.until((id) => document.querySelector(`[data-testid="${id}"]`) !== null, ready);
      pictures += 1;
      await person.page.screenshot(path.join(SCREENS, `${String(pictures).padStart(2, '0')}-${ready}-${size.width}.png`));
      assert.deepEqual(await serious(person.page), [], `${ready} at ${size.width} × ${size.height}`);
    }
    await person.page.raw.setViewportSize(DESKTOP);
  }

  before(async () => {
    await mkdir(SCREENS, { recursive: true });
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    secretary = new Person(server, 'secretary', await chromium.page(1));
    senior = new Person(server, 'member4', await chromium.page(2));
  });

  after(async () => {
    await chromium?.close();
    await server?.remove();
  });

  test('signing in, with its refusal', async () => {
    await secretary.page.goto(server.url);
    await fine(secretary, 'login-submit');
    await secretary.page.fill('login-name', secretary.account.login);
    await secretary.page.fill('login-password', 'not the password');
    await secretary.page.click('login-submit');
    await fine(secretary, 'login-error');
  });

  test('the connection test, running and done', async () => {
    const anybody = await chromium.page(4);
    await anybody.goto(`${server.url}/network`);
    await fine({ page: anybody }, 'network-test');
    await anybody.until(() => document.querySelector('[data-testid="network-test"]').dataset.summary !== 'running', null, 40_000);
    await fine({ page: anybody }, 'network-again');
    await anybody.close();
  });

  test('home, creating a meeting, its page and the password', async () => {
    session = await openMeeting(secretary);
    await fine(secretary, 'create-session');
    for (const [path, ready] of [['/create', 'create-submit'], [`/sessions/${session}`, 'enter'], ['/password', 'password-submit']]) {
      await secretary.page.goto(server.url + path);
      await fine(secretary, ready);
    }
  });

  test('the device check in large type', async () => {
    await senior.signIn(`/s/${session}`);
    await senior.page.until(() => document.querySelector('[data-testid="lobby-video"]') !== null, null);
    await fine(senior, 'lobby');
  });

  test('the room, its panels and questions', async () => {
    await secretary.join(session, { signedIn: true });
    await senior.enter();
    await secretary.sees(senior);
    await fine(senior, 'room');
    await fine(secretary, 'room');
    await senior.page.click('btn-hand');
    for (const panel of ['people', 'chat', 'agenda']) {
      await secretary.page.click(`tab-${panel}`);
      assert.deepEqual(await serious(secretary.page), [], panel);
    }
    await secretary.page.click('chair-menu');
    assert.deepEqual(await serious(secretary.page), [], 'the menu of the chair');
    await secretary.page.click('btn-quality');
    await secretary.page.until(() => document.querySelector('[data-testid="quality-row"]') !== null, null);
    assert.deepEqual(await serious(secretary.page), [], 'the quality of the meeting');
    await secretary.page.raw.keyboard.press('Escape');
    await secretary.page.click('chair-menu');
    await secretary.page.click('btn-hand-over');
    assert.deepEqual(await serious(secretary.page), [], 'a question');
    await secretary.page.raw.keyboard.press('Escape');
    await senior.page.raw.setViewportSize(PHONE);
    await senior.page.click('btn-more');
    assert.deepEqual(await serious(senior.page), [], 'the sheet of a phone');
    await senior.page.raw.keyboard.press('Escape');
  });

  test('refusal, end and archive', async () => {
    const outsider = new Person(server, 'outsider', await chromium.page(3));
    await outsider.signIn(`/s/${session}`);
    await fine(outsider, 'refusal');
    await outsider.page.close();
    await secretary.page.click('btn-declare-open');
    await secretary.page.click('declare-open-confirm');
    await secretary.page.click('btn-declare-close');
    await secretary.page.click('declare-close-confirm');
    await fine(senior, 'ended-page');
    await rendered(secretary, session);
    await fine(secretary, 'attendance');
    await secretary.page.click('lane-journal');
    assert.deepEqual(await serious(secretary.page), [], 'the journal');
  });
});
