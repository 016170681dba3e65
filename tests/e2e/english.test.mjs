// The pages in English: no Chinese but names and what people wrote, and nothing wider than the screen.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { openMeeting } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { Server } from './lib/server.mjs';

const SIZES = { desktop: { width: 1366, height: 768 }, phone: { width: 390, height: 844 } };
/** Data of the demo: its organisations and groups, and the meeting that is opened here. */
const DATA = ['清河社区第一党支部', '第一党小组', '第二党小组', '支部党员大会'];

let server;
let chromium;

before(async () => {
  server = await (await Server.create()).start();
  chromium = await Chromium.launch();
});
after(async () => {
  await chromium?.close();
  await server?.remove();
});

/** Texts that are Chinese though the page is English: labels, and sentences around data. */
const untranslated = (page, known) =>
  page.evaluate((names) => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      if (walk.currentNode.parentElement?.closest('script, style, noscript, [aria-hidden="true"]')) continue;
      let text = walk.currentNode.data.trim();
      for (const name of names) text = text.replaceAll(name, '');
      if (/[\u4e00-\u9fff]/.test(text)) found.push(text);
    }
    for (const element of document.querySelectorAll('[aria-label], [title], [placeholder]')) {
      for (const attribute of ['aria-label', 'title', 'placeholder']) {
        let text = element.getAttribute(attribute) ?? '';
        for (const name of names) text = text.replaceAll(name, '');
        if (/[\u4e00-\u9fff]/.test(text)) found.push(`${attribute}: ${text}`);
      }
    }
    return found;
  }, known);

test('home, lobby and room in English', { timeout: 120_000 }, async () => {
  const page = await chromium.page(1);
  await page.raw.addInitScript(() => localStorage.setItem('yuntang.locale', 'en'));
  const secretary = new Person(server, 'secretary', page);
  const known = [...DATA, ...server.demo.accounts.map((one) => one.name), ...server.demo.sessions.map((one) => one.title)];
  // The longest first: one may be a part of another.
  known.sort((a, b) => b.length - a.length);
  const look = async (name) => {
    const wrong = await untranslated(page, known);
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.raw.setViewportSize(viewport);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) wrong.push(`${size}: ${wide} px too wide`);
    }
    await page.raw.setViewportSize(SIZES.desktop);
    return wrong;
  };
  const session = await openMeeting(secretary);
  const home = await page.goto(secretary.address('/')).then(() => page.until(() => document.body.innerText.length > 100, null)).then(() => look('home'));
  await page.goto(secretary.address('/create'));
  await page.until(() => document.querySelector('form, input') !== null, null);
  const create = await look('create');
  await page.goto(secretary.address(`/s/${session}`));
  await page.until(() => document.querySelector('[data-testid="lobby-join"]') !== null, null);
  const lobby = await look('lobby');
  await secretary.enter();
  const room = await look('room');
  assert.deepEqual({ home, create, lobby, room }, { home: [], create: [], lobby: [], room: [] });
});
