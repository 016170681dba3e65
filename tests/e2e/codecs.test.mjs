// Codecs in real browsers: a shared screen is sent in what shows it best of what everybody decodes,
// whoever comes and goes; the recording has it all the same. Firefox sends three camera layers too.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium, Firefox } from './lib/browsers.mjs';
import { largeCamera, Layered } from './lib/layered.mjs';
import { openMeeting, rendered } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { colours, decodeErrors, probe } from './lib/recording.mjs';
import { Server } from './lib/server.mjs';

/** Makes the browser one that lacks these codecs. */
function lacking(mimes) {
  for (const side of [RTCRtpReceiver, RTCRtpSender]) {
    const plain = side.getCapabilities.bind(side);
    side.getCapabilities = (kind) => {
      const all = plain(kind);
      return all && { ...all, codecs: all.codecs.filter((one) => !mimes.includes(one.mimeType.toLowerCase())) };
    };
  }
}

/** Codec of the picture that this page sends last, by its own report. */
const sends = (person) =>
  person.page.evaluate(async () => {
    const stats = await window.__yuntang.stats();
    const lines = window.__yuntang.pc().getTransceivers().filter((one) => one.sender.track?.kind === 'video');
    const mid = lines.at(-1)?.mid;
    const sent = stats.find((one) => one.type === 'outbound-rtp' && one.kind === 'video' && one.mid === mid);
    return stats.find((one) => one.id === sent?.codecId)?.mimeType ?? null;
  });

/**
 * Keeps `window.__screen` fresh: the codec of the shared screen by the receiver's own report, and the
 * longest time in which no picture of it was decoded.
 */
const watchScreen = (person) =>
  person.page.evaluate(() => {
    const seen = (window.__screen = { codec: null, decoded: 0, longest: 0, at: null });
    const look = async () => {
      const video = document.querySelector('video[data-source="screen"]');
      const track = video?.srcObject?.getVideoTracks()[0]?.id;
      const stats = await window.__yuntang.stats();
      const one = stats.find((entry) => entry.type === 'inbound-rtp' && track && entry.trackIdentifier === track);
      const now = performance.now();
      if (seen.at !== null) seen.longest = Math.max(seen.longest, now - seen.at);
      if (one && one.framesDecoded !== seen.decoded) {
        seen.decoded = one.framesDecoded;
        seen.codec = stats.find((entry) => entry.id === one.codecId)?.mimeType ?? null;
        seen.at = now;
      }
      setTimeout(look, 50);
    };
    look();
  });

/** Waits until the screen comes in `codec`. */
const receives = (person, codec, timeout = 20_000) =>
  person.page.until((wanted) => window.__screen.codec === wanted, codec, timeout).catch(async (error) => {
    const now = await person.page.evaluate(() => ({
      screen: window.__screen,
      told: window.__yuntang.events.filter((one) => one.event.kind === 'publish_codec'),
    }));
    throw new Error(`${person.key}: ${JSON.stringify(now)} ${error.message}`);
  });

const longest = (person) => person.page.evaluate(() => window.__screen.longest);

const until = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms - Date.now())));

const declareOpen = async (chair) => {
  await chair.page.click('btn-declare-open');
  await chair.page.click('declare-open-confirm');
  await chair.page.until(() => document.querySelector('[data-testid="recording-light"][data-state="on"]') !== null, null);
  return Date.now();
};

const declareClose = async (chair) => {
  await chair.page.click('btn-declare-close');
  await chair.page.click('declare-close-confirm');
  await chair.page.until(() => document.querySelector('[data-testid="room"]') === null, null);
};

let server;
let chromium;
let firefox;

before(async () => {
  server = await (await Server.create()).start();
  chromium = await Chromium.launch();
  firefox = await Firefox.launch();
});

after(async () => {
  await firefox?.close();
  await chromium?.close();
  await server?.remove();
});

/** The recording of a meeting shows the shared screen at these seconds, and decodes cleanly. */
async function recorded(chair, session, seconds) {
  await rendered(chair, session);
  const file = path.join(server.data, 'archive', session, 'recording.mp4');
  const { video } = await probe(file);
  assert.equal(video.length, 1);
  assert.equal(await decodeErrors(file), '');
  for (const second of seconds) {
    const shares = await colours(file, second);
    assert.ok(shares[0] > 0.3, `the shared screen ${second} s in: ${shares}`);
  }
}

describe('a shared screen', { timeout: 240_000 }, () => {
  let secretary;
  let member;
  let fox;
  let old;
  let session;
  const seconds = [];
  let declared;
  const mark = () => seconds.push((Date.now() - declared) / 1000);

  before(async () => {
    secretary = new Person(server, 'secretary', await chromium.page(1));
    member = new Person(server, 'member1', await chromium.page(2));
    fox = new Person(server, 'member2', await firefox.page(3));
    old = new Person(server, 'member3', await chromium.page(4));
    await old.page.init(lacking, ['video/vp9', 'video/av1']);
    session = await openMeeting(secretary);
    await secretary.join(session, { signedIn: true });
    for (const one of [member, fox]) await one.join(session, { camera: one === member });
    declared = await declareOpen(secretary);
    for (const one of [member, fox]) await watchScreen(one);
  });

  test('is sent in VP9 when all have it', async () => {
    await secretary.page.click('btn-screen');
    for (const one of [member, fox]) {
      await one.sees(secretary, { source: 'screen' });
      await receives(one, 'video/VP9');
    }
    assert.equal(await sends(secretary), 'video/VP9');
    await until(Date.now() + 2_500);
    mark();
    await until(Date.now() + 1_000);
  });

  test('falls back to VP8 for one who comes late without VP9, and stands still for nobody', async () => {
    await old.join(session, { camera: false });
    await watchScreen(old);
    await old.sees(secretary, { source: 'screen' });
    for (const one of [old, member, fox]) await receives(one, 'video/VP8');
    assert.equal(await sends(secretary), 'video/VP8');
    for (const one of [member, fox]) await one.sees(secretary, { source: 'screen' });
    await until(Date.now() + 2_500);
    mark();
    await until(Date.now() + 1_000);
    for (const one of [member, fox]) assert.ok((await longest(one)) < 2_000, `${one.key} saw nothing new for ${await longest(one)} ms`);
  });

  test('is VP9 again some seconds after that one has left', async () => {
    await old.leave();
    for (const one of [member, fox]) await receives(one, 'video/VP9', 30_000);
    for (const one of [member, fox]) {
      await one.sees(secretary, { source: 'screen' });
      assert.ok((await longest(one)) < 2_000, `${one.key} saw nothing new for ${await longest(one)} ms`);
    }
    await until(Date.now() + 2_500);
    mark();
    await until(Date.now() + 1_000);
  });

  test('is in the recording, in each of its codecs', async () => {
    await declareClose(secretary);
    await recorded(secretary, session, seconds);
  });
});

describe('a shared screen without VP9', { timeout: 200_000 }, () => {
  let secretary;
  let member;
  let fox;
  let session;
  const seconds = [];

  test('is sent in AV1, by Chromium and by Firefox, and recorded', async () => {
    secretary = new Person(server, 'secretary', await chromium.page(1));
    member = new Person(server, 'member1', await chromium.page(2));
    fox = new Person(server, 'member2', await firefox.page(3));
    for (const one of [secretary, member, fox]) await one.page.init(lacking, ['video/vp9']);
    session = await openMeeting(secretary, { title: '支部委员会' });
    await secretary.join(session, { signedIn: true });
    for (const one of [member, fox]) await one.join(session, { camera: false });
    const declared = await declareOpen(secretary);
    for (const one of [secretary, member, fox]) await watchScreen(one);

    await secretary.page.click('btn-screen');
    for (const one of [member, fox]) {
      await one.sees(secretary, { source: 'screen' });
      await receives(one, 'video/AV1');
    }
    assert.equal(await sends(secretary), 'video/AV1');
    await until(Date.now() + 2_500);
    seconds.push((Date.now() - declared) / 1000);
    await until(Date.now() + 1_000);
    await secretary.page.click('btn-screen');

    await fox.page.click('btn-screen');
    for (const one of [secretary, member]) {
      await one.sees(fox, { source: 'screen' });
      await receives(one, 'video/AV1');
    }
    assert.equal(await sends(fox), 'video/AV1');
    await until(Date.now() + 2_500);
    seconds.push((Date.now() - declared) / 1000);
    await until(Date.now() + 1_000);
    await declareClose(secretary);
    await recorded(secretary, session, seconds);
  });
});

/** A screen of 640 × 360 in place of the small one, sent in two spatial and three temporal layers. */
function layeredScreen() {
  const small = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getDisplayMedia = async (wanted) => {
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = await small(wanted);
    await video.play();
    const canvas = document.createElement('canvas');
    canvas.width = 640;
    canvas.height = 360;
    const pen = canvas.getContext('2d');
    setInterval(() => pen.drawImage(video, 0, 0, 640, 360), 66);
    return canvas.captureStream(15);
  };
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function layered(what, init) {
    const layers = init?.sendEncodings?.map((one) => (one.scalabilityMode ? { ...one, scalabilityMode: 'L2T3' } : one));
    return add.call(this, what, layers ? { ...init, sendEncodings: layers } : init);
  };
  // All layers are sent from the start, however busy the machine that runs the test.
  const accept = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function eager({ type, sdp }) {
    const more = ';x-google-min-bitrate=2000;x-google-start-bitrate=2500';
    return accept.call(this, { type, sdp: sdp.replace(/^a=fmtp:\d+ level-idx[^\r]*/gm, (line) => line + more) });
  };
}

/** Width of the shared screen as it comes, once it is between the two. */
const screenWidth = (one, least, most) =>
  one.page.until(
    async ([from, to]) => {
      const track = document.querySelector('video[data-source="screen"]')?.srcObject?.getVideoTracks()[0]?.id;
      const all = await window.__yuntang.stats();
      const width = all.find((entry) => entry.type === 'inbound-rtp' && entry.trackIdentifier === track)?.frameWidth;
      return width >= from && width <= to ? width : null;
    },
    [least, most],
    20_000,
  );

describe('a shared screen with spatial layers in one stream', { timeout: 240_000 }, () => {
  // Chromium makes spatial layers of AV1 only.
  test('is sent to each as they show it, and recorded', async () => {
    const secretary = new Person(server, 'secretary', await chromium.page(1));
    const large = new Person(server, 'member1', await chromium.page(2, { viewport: { width: 2200, height: 1300 } }));
    const small = new Person(server, 'member2', await chromium.page(3, { viewport: { width: 420, height: 380 } }));
    await secretary.page.init(layeredScreen);
    for (const one of [secretary, large, small]) await one.page.init(lacking, ['video/vp9']);
    const session = await openMeeting(secretary, { title: '支部委员会' });
    await secretary.join(session, { signedIn: true });
    for (const one of [large, small]) await one.join(session, { camera: false });
    const declared = await declareOpen(secretary);
    await secretary.page.click('btn-screen');
    for (const one of [large, small]) {
      await watchScreen(one);
      await one.sees(secretary, { source: 'screen' });
      await receives(one, 'video/AV1');
    }
    assert.equal(await screenWidth(large, 500, 640), 640);
    assert.ok((await screenWidth(small, 1, 400)) <= 400);
    for (const one of [large, small]) await one.sees(secretary, { source: 'screen' });
    // Whoever makes the window large gets the large picture, from the next key frame on.
    await small.page.raw.setViewportSize({ width: 2200, height: 1300 });
    assert.equal(await screenWidth(small, 500, 640), 640);
    await small.sees(secretary, { source: 'screen' });
    for (const one of [large, small]) assert.ok((await longest(one)) < 2_000, `${one.key}: ${await longest(one)} ms`);
    await until(Date.now() + 2_500);
    const second = (Date.now() - declared) / 1000;
    await until(Date.now() + 1_000);
    await declareClose(secretary);
    await recorded(secretary, session, [second]);
  });
});

describe('camera layers of Firefox', { timeout: 120_000 }, () => {
  test('are three in a room of more than three, and each viewer gets what fits', async () => {
    const fox = new Layered(server, 'member2', await firefox.page(3));
    await fox.page.init(largeCamera);
    const secretary = new Layered(server, 'secretary', await chromium.page(1));
    const member = new Layered(server, 'member1', await chromium.page(2));
    const third = new Layered(server, 'member3', await chromium.page(4));
    const session = await openMeeting(secretary, { title: '组织生活会' });
    await secretary.join(session, { signedIn: true });
    // A small tile, on a page high enough for the strip.
    await member.page.raw.setViewportSize({ width: 390, height: 700 });
    for (const one of [member, third]) await one.join(session, { camera: false });
    await fox.join(session);
    await secretary.page.raw.setViewportSize({ width: 2200, height: 1300 });
    const width = (one, least, most) =>
      one.page.until(
        async ({ id, least, most }) => {
          const video = document.querySelector(`video[data-participant="${id}"][data-source="camera"]`);
          const track = video?.srcObject?.getVideoTracks()[0]?.id;
          const all = await window.__yuntang.stats();
          const found = all.find((entry) => entry.type === 'inbound-rtp' && entry.trackIdentifier === track);
          return found?.frameWidth >= least && found.frameWidth <= most ? found.frameWidth : null;
        },
        { id: fox.id, least, most },
        30_000,
      );
    assert.ok((await width(secretary, 700, 960)) > (await width(member, 1, 480)));
    await secretary.sees(fox);
    await member.sees(fox);
    const rids = await fox.page.evaluate(async () =>
      (await window.__yuntang.stats()).filter((one) => one.type === 'outbound-rtp' && one.rid && one.framesEncoded > 0).map((one) => one.rid).sort());
    assert.deepEqual(rids.filter((rid) => ['f', 'q'].includes(rid)), ['f', 'q'], `sent by Firefox: ${rids}`);
  });
});
