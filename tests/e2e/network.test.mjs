// The connection test page on the real server, and connection quality as everybody in a room sees it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { openMeeting } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { Server } from './lib/server.mjs';

const PHONE = { width: 390, height: 844 };
const SHOTS = process.env.YUNTANG_SHOTS;

/** Every finding of a finished test: key → [verdict, sentence]. */
async function findings(page, timeout = 40_000) {
  await page.until(
    () => {
      const summary = document.querySelector('[data-testid="network-test"]')?.dataset.summary;
      return summary !== undefined && summary !== 'running';
    },
    null,
    timeout,
  );
  return page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll('[data-testid^="check-"]')].map((row) => [
        row.dataset.testid.slice('check-'.length),
        [row.dataset.verdict, row.querySelector('p').textContent],
      ]),
    ),
  );
}

const summary = (page) => page.evaluate(() => document.querySelector('[data-testid="network-test"]').dataset.summary);

async function shot(page, name) {
  if (SHOTS) await page.screenshot(`${SHOTS}/${name}.png`, { fullPage: true });
}

describe('network', { timeout: 180_000 }, () => {
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

  test('the sign-in page leads to a test that says what works', async () => {
    const page = await chromium.page(1);
    await page.goto(server.url);
    await page.click('to-network');
    const found = await findings(page);
    for (const key of ['browser', 'secure', 'server', 'websocket', 'udp', 'clock', 'camera', 'microphone']) {
      assert.equal(found[key][0], 'good', `${key}: ${found[key]}`);
    }
    assert.equal(found.tcp[0], 'good', String(found.tcp));
    // The relay by TLS needs a certificate that the browser trusts, which this one does not.
    assert.ok(['good', 'warn'].includes(found.turn[0]), `turn: ${found.turn}`);
    assert.match(found.bandwidth[1], /Mbit\/s/);
    assert.ok(['good', 'care'].includes(await summary(page)));
    await shot(page, 'network-good-desktop');
    await page.raw.setViewportSize(PHONE);
    await shot(page, 'network-good-phone');
    await page.raw.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.click('network-copy');
    const copied = await page.until(() => navigator.clipboard.readText(), null);
    assert.match(copied, /\[正常\] 服务器：/);
    assert.match(copied, /Chrom/);
    await page.close();
  });

  test('where nothing of the media gets through it says so, and what to do', async () => {
    const page = await chromium.page(2, { viewport: PHONE });
    // As a firewall does it: the answers name an address from which nothing comes back.
    await page.raw.route('**/api/network/probe', async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      answer.sdp = answer.sdp.replace(/^(a=candidate:\S+ \d+ \S+ \d+ )\S+ \d+/gm, '$1192.0.2.1 9');
      await route.fulfill({ response, json: answer });
    });
    await page.goto(`${server.url}/network`);
    const found = await findings(page);
    assert.equal(found.udp[0], 'bad', String(found.udp));
    assert.match(found.udp[1], /请让网络管理员放行到 localhost 的 UDP \d+ 端口/);
    assert.equal(await summary(page), 'bad');
    await shot(page, 'network-bad-phone');
    await page.close();
  });

  test('with the server away, every row says so and the page does not break', async () => {
    const page = await chromium.page(3);
    await page.raw.route('**/api/network*', (route) => route.abort());
    await page.raw.route('**/api/network/*', (route) => route.abort());
    await page.goto(`${server.url}/network`);
    const found = await findings(page);
    assert.equal(found.server[0], 'bad');
    assert.match(found.server[1], /连接不上服务器/);
    assert.equal(await summary(page), 'bad');
    await shot(page, 'network-away-desktop');
    await page.close();
  });

  test('everybody in the room sees everybody\'s connection, and the chair its figures', async () => {
    const chair = new Person(server, 'secretary', await chromium.page(1));
    const member = new Person(server, 'member2', await chromium.page(2));
    const session = await openMeeting(chair);
    await chair.join(session, { signedIn: true });
    await member.join(session);
    await chair.sees(member);
    await member.sees(chair);
    for (const [viewer, shown] of [[chair, member], [member, chair], [member, member]]) {
      await viewer.page.until(
        (id) => document.querySelector(`[data-testid="tile-${id}"] [data-testid="quality"]`)?.dataset.grade,
        shown.id,
      );
    }
    // Read out, not only drawn.
    const spoken = await member.page.evaluate(
      (id) => document.querySelector(`[data-testid="tile-${id}"] [data-testid="quality"] .sr`).textContent,
      chair.id,
    );
    assert.match(spoken, /^网络(良好|一般|较差)$/);
    await chair.page.click('tab-people');
    await chair.page.until(
      (id) => document.querySelector(`[data-testid="person-${id}"] [data-testid="quality"]`) !== null,
      member.id,
    );
    await shot(chair.page, 'room-quality-desktop');
    await member.page.raw.setViewportSize(PHONE);
    await shot(member.page, 'room-quality-phone');

    // Rates need two looks at the counters, two seconds apart.
    const json = await chair.page.evaluate(
      async ([path, from]) => {
        const flows = (list, key, endpoint) =>
          list.some((one) => one[key] === endpoint && one.source === 'camera' && (one.bps ?? one.layers[0].bps) > 2_000 && (one.packets ?? one.layers[0].packets) > 20);
        for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
          const answer = await fetch(path);
          const body = await answer.json();
          const mine = body.participants?.find((one) => one.participant === from);
          // A browser may begin by TCP; UDP takes over when its check has succeeded.
          if (mine?.path === 'udp' && flows(body.tracks, 'endpoint', mine.endpoint) && flows(body.subscriptions, 'from', mine.endpoint)) return body;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        throw new Error('no camera flowing by UDP in the statistics');
      },
      [`/api/sessions/${session}/stats`, member.id],
    );
    const mine = json.participants.find((one) => one.participant === member.id);
    assert.equal(mine.path, 'udp');
    assert.equal(mine.connected, true);
    assert.ok(['good', 'fair', 'poor'].includes(mine.grade));
    const camera = json.tracks.find((one) => one.endpoint === mine.endpoint && one.source === 'camera');
    assert.ok(camera.layers.some((layer) => layer.active), JSON.stringify(camera));
    const received = json.subscriptions.find((one) => one.from === mine.endpoint && one.source === 'camera');
    assert.ok(received.packets > 20, JSON.stringify(received));
    // The browser has at least what the server had sent when it was sampled.
    const counted = await chair.page.evaluate(async () =>
      (await window.__yuntang.stats())
        .filter((one) => one.type === 'inbound-rtp' && one.kind === 'video')
        .reduce((sum, one) => sum + one.packetsReceived, 0),
    );
    assert.ok(counted >= received.packets - 5, `${counted} of ${received.packets}`);
    assert.ok(json.history.length > 0 && json.history.at(-1).in_bps > 2_000);
    assert.equal((await member.api(`/api/sessions/${session}/stats`)).status, 403);
    // 会议质量 in the chair's menu; nobody else has it.
    await chair.page.click('chair-menu');
    await chair.page.click('btn-quality');
    await chair.page.until(() => document.querySelectorAll('[data-testid="quality-row"]').length >= 2, null);
    const panel = await chair.page.evaluate(() => document.querySelector('[data-testid="quality-panel"]').textContent);
    assert.match(panel, new RegExp(member.name));
    assert.match(panel, /直连.*丢包/);
    await shot(chair.page, 'quality-panel-desktop');
    await chair.page.raw.setViewportSize(PHONE);
    await shot(chair.page, 'quality-panel-phone');
    await member.page.click('btn-more');
    assert.equal(await member.page.evaluate(() => document.querySelector('[data-testid="btn-quality"]')), null);
    await chair.page.close();
    await member.page.close();
  });
});
