// Layers in real browsers: each viewer is sent the size that they show, and a publisher encodes only
// what somebody looks at.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { largeCamera, Layered } from './lib/layered.mjs';
import { openMeeting } from './lib/meeting.mjs';
import { Server } from './lib/server.mjs';

/** Layers that this page's camera sends: rid → {active, width}; width of those that send now. */
const sending = (person) =>
  person.page.evaluate(async () => {
    const sender = window.__yuntang.pc().getSenders()
      .find((one) => one.track?.kind === 'video' && one.getParameters().encodings.length === 3);
    const active = Object.fromEntries(sender.getParameters().encodings.map((one) => [one.rid, one.active]));
    const stats = (await window.__yuntang.stats()).filter((one) => one.type === 'outbound-rtp' && one.rid);
    return { active, widths: Object.fromEntries(stats.map((one) => [one.rid, one.frameWidth])) };
  });

/** Keeps `window.__inbound` (width and decoded frames by receiver track) fresh: waits read it. */
const watchInbound = (person) =>
  person.page.evaluate(() => {
    window.__inbound = {};
    setInterval(async () => {
      const stats = await window.__yuntang.stats();
      for (const one of stats.filter((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video')) {
        window.__inbound[one.trackIdentifier] = { width: one.frameWidth, decoded: one.framesDecoded };
      }
    }, 50);
    window.__of = (id) => {
      const video = document.querySelector(`video[data-participant="${id}"][data-source="camera"]`);
      return window.__inbound[video?.srcObject?.getVideoTracks()[0]?.id] ?? null;
    };
  });

/** Waits until the picture of `who` arrives with a width between the two. */
const receives = (person, who, least, most, timeout = 20_000) =>
  person.page.until(
    ({ id, least, most }) => {
      const width = window.__of(id)?.width;
      return width >= least && width <= most ? width : null;
    },
    { id: who.id, least, most },
    timeout,
  ).catch(async (error) => {
    const seen = await person.page.evaluate((id) => window.__of(id), who.id);
    throw new Error(`${person.key} of ${who.key}: ${JSON.stringify({ seen, sending: await sending(who) })} ${error.message}`);
  });

/** Frames decoded of `who` so far. */
const decoded = (person, who) => person.page.evaluate((id) => window.__of(id)?.decoded ?? 0, who.id);

const resize = (person, width, height) => person.page.raw.setViewportSize({ width, height });

const hide = (person, hidden) =>
  person.page.evaluate((value) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (value ? 'hidden' : 'visible') });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

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

describe('camera layers', { timeout: 180_000 }, () => {
  let publisher;
  let large;
  let small;
  let fourth;

  before(async () => {
    const person = async (key, index) => {
      const made = new Layered(server, key, await chromium.page(index));
      await made.page.init(largeCamera);
      return made;
    };
    publisher = await person('secretary', 1);
    large = await person('recorder', 2);
    small = await person('member1', 3);
    fourth = await person('member2', 4);
    const session = await openMeeting(publisher);
    await publisher.join(session, { signedIn: true });
    await resize(small, 420, 380);
    for (const one of [large, small, fourth]) await one.join(session, { camera: one === large });
    await resize(fourth, 420, 380);
    await resize(large, 2200, 1300);
    for (const one of [large, small, fourth]) await watchInbound(one);
  });

  test('with three others three layers are sent, and each gets what fits', async () => {
    const wide = await receives(large, publisher, 700, 960);
    const narrow = await receives(small, publisher, 1, 480);
    assert.ok(wide > narrow, `${wide} > ${narrow}`);
    await large.sees(publisher);
    await small.sees(publisher);
  });

  test('what nobody looks at is not encoded, and is there again within half a second', async () => {
    for (const one of [large, small, fourth]) await hide(one, true);
    await publisher.page.until(() => {
      const sender = window.__yuntang.pc().getSenders()
        .find((one) => one.track?.kind === 'video' && one.getParameters().encodings.length === 3);
      return sender.getParameters().encodings.every((one) => !one.active);
    }, null, 10_000).catch(async (error) => {
      const told = await publisher.page.evaluate(() => window.__yuntang.events.filter((one) => one.event.kind === 'publish_layers'));
      const views = await Promise.all([large, small, fourth].map((one) => one.page.evaluate(
        () => window.__yuntang.acks.filter((ack) => ack.method === 'view').at(-1),
      )));
      throw new Error(`${error.message} ${JSON.stringify({ told, views, sending: await sending(publisher) })}`);
    });
    // What is on its way is still decoded.
    await new Promise((done) => setTimeout(done, 500));
    const before = await decoded(large, publisher);
    await new Promise((done) => setTimeout(done, 500));
    assert.equal(await decoded(large, publisher), before, 'nothing arrives while hidden');
    const took = await Promise.all([
      publisher.page.evaluate(async () => {
        const from = performance.now();
        const sender = window.__yuntang.pc().getSenders()
          .find((one) => one.track?.kind === 'video' && one.getParameters().encodings.length === 3);
        while (!sender.getParameters().encodings.some((one) => one.active)) {
          if (performance.now() - from > 10_000) return null;
          await new Promise((done) => setTimeout(done, 5));
        }
        return Date.now();
      }),
      hide(large, false).then(() => Date.now()),
    ]);
    assert.ok(took[0] !== null && took[0] - took[1] < 500, `on again after ${took[0] - took[1]} ms`);
    await large.page.until(
      ({ id, before }) => window.__of(id)?.decoded > before,
      { id: publisher.id, before },
      3_000,
    );
    await receives(large, publisher, 700, 960);
    await large.sees(publisher);
  });
});
