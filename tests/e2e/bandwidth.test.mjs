// What a browser finds out about its way to us, from nothing but our feedback: all of a free line within
// seconds, and no more than there is of a thin one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { openMeeting } from './lib/meeting.mjs';
import { Net, whyNot } from './lib/net.mjs';
import { Person } from './lib/person.mjs';
import { Server, verb } from './lib/server.mjs';
import { FULL, publishLayers, samplesUntil } from './lib/uplink.mjs';

/** From the connection until the browser believes in enough for all three layers. */
const FULL_MS = 5_000;

const reason = whyNot();
if (reason && process.env.CI) throw new Error(reason);

/** For failures and diagnostics: second:estimate/target in kbit/s, each half second. */
const course = (samples) =>
  samples
    .filter((_, at) => at % 5 === 0)
    .map((one) => `${(one.at / 1_000).toFixed(1)}:${Math.round(one.estimate / 1_000)}/${Math.round(one.target / 1_000)}`)
    .join(' ');

describe('uplink', { timeout: 240_000 }, () => {
  let net;
  let server;
  let chromium;
  let away;
  let session;
  let count = 0;

  before(async () => {
    // First the network: the server tells browsers the addresses that it finds at its start.
    if (!reason) net = await Net.create();
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    if (net) away = await Chromium.launch({ program: net.browser, flags: ['--ignore-certificate-errors'] });
    const page = await chromium.page(1);
    session = await openMeeting(new Person(server, 'secretary', page));
    await page.close();
  });

  after(async () => {
    await Promise.all([chromium?.close(), away?.close()]);
    await server?.remove();
    await net?.remove();
  });

  /** A page that publishes three layers; its samples of the first `ms`. */
  async function uplink(browser, base, ms) {
    count += 1;
    const args = ['token', 'whip', '--data', server.data, '--session', session, '--name', `机位${count}`, '--ttl', '1h'];
    const token = (await verb(args)).out.trim();
    const page = await browser.page(2, { ignoreHTTPSErrors: true });
    await page.goto(base);
    await publishLayers(page, { url: `${base}/whip/${session}`, token });
    const samples = await samplesUntil(page, ms);
    return { page, samples };
  }

  test('a free line is used in full within 5 s', async (t) => {
    const { page, samples } = await uplink(chromium, server.url, 8_000);
    const first = (holds) => samples.find(holds)?.at ?? Infinity;
    const believed = first((one) => one.estimate >= FULL);
    const used = first((one) => one.target >= 0.8 * FULL && ['q', 'h', 'f'].every((rid) => one.layers[rid]?.[0] > 0));
    t.diagnostic(`estimate for all layers after ${believed} ms, all layers on after ${used} ms: ${course(samples)}`);
    assert.ok(believed <= FULL_MS, course(samples));
    assert.ok(used <= FULL_MS, course(samples));
    // And it stays: nothing in our feedback looks like a queue.
    const later = samples.filter((one) => one.at > FULL_MS);
    assert.ok(later.length > 10 && later.every((one) => one.estimate >= FULL), course(samples));
    const { layers } = samples.at(-1);
    assert.deepEqual(['q', 'h', 'f'].map((rid) => layers[rid][1]), [240, 480, 960]);
    await page.close();
  });

  for (const [kbits, widest] of [[500, 480], [250, 240]]) {
    test(`of ${kbits} kbit/s a browser takes what there is`, { skip: reason ?? false }, async (t) => {
      net.limit(kbits);
      try {
        const { page, samples } = await uplink(away, `https://${net.server}:${server.port}`, 20_000);
        t.diagnostic(course(samples));
        // By then what it believed at first is forgotten.
        const late = samples.filter((one) => one.at > 10_000);
        const mean = late.reduce((sum, one) => sum + one.estimate, 0) / late.length / 1_000;
        assert.ok(mean > kbits * 0.5 && mean < kbits * 1.1, `${mean} kbit/s: ${course(samples)}`);
        const [from, to] = [late[0], late.at(-1)];
        const sent = ((to.bytes - from.bytes) * 8) / (to.at - from.at);
        assert.ok(sent > kbits * 0.3 && sent < kbits, `${sent} kbit/s were sent: ${course(samples)}`);
        for (const [rid, width] of [['q', 240], ['h', 480], ['f', 960]]) {
          if (width <= widest) assert.ok(to.layers[rid][2] > from.layers[rid][2], `${rid} is sent: ${course(samples)}`);
          else assert.equal(to.layers[rid][0], 0, `${rid} is left out: ${course(samples)}`);
        }
        await page.close();
      } finally {
        net.limit(null);
      }
    });
  }
});
