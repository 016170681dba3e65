// What happens in a room besides the main job: who presides, who may be heard, which device counts,
// and what a person is told when a device, the browser or the account does not do as wished.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { openMeeting } from './lib/meeting.mjs';
import { Person } from './lib/person.mjs';
import { Server } from './lib/server.mjs';

const there = (page, selector, timeout) =>
  page.until((wanted) => document.querySelector(wanted) !== null, selector, timeout);
const gone = (page, selector, timeout) =>
  page.until((wanted) => document.querySelector(wanted) === null, selector, timeout);
const says = (page, words, timeout) =>
  page.until((wanted) => document.body.innerText.includes(wanted), words, timeout);
const testid = (id) => `[data-testid="${id}"]`;

/** Nothing of `who` is heard for `ms` on end. */
function silent(person, who, ms = 1_500) {
  return person.page.until(
    ({ id, ms }) => {
      const heard = window.__hear(document.querySelector(`audio[data-participant="${id}"][data-source="microphone"]`));
      const now = performance.now();
      if (heard !== null) window.__quietSince = undefined;
      else window.__quietSince ??= now;
      if (window.__quietSince === undefined || now - window.__quietSince < ms) return false;
      delete window.__quietSince;
      return true;
    },
    { id: who.id, ms },
  );
}

/** In the chair's list: opens what can be done with `who` and does it. */
async function manage(chair, who, what) {
  await chair.page.click(`manage-${who.id}`);
  await chair.page.click(`${what}-${who.id}`);
}

const role = (person, who, wanted) =>
  there(person.page, `${testid(`person-${who.id}`)}[data-role="${wanted}"]`);

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

describe('in the room', { timeout: 180_000 }, () => {
  let session;
  let secretary;
  let recorder;
  let member;

  before(async () => {
    secretary = new Person(server, 'secretary', await chromium.page(1));
    recorder = new Person(server, 'recorder', await chromium.page(2));
    member = new Person(server, 'member1', await chromium.page(3));
    session = await openMeeting(secretary);
    await secretary.join(session, { signedIn: true });
    await Promise.all([recorder.join(session), member.join(session, { camera: false })]);
  });

  test('who came without a camera is heard, and shown by name', async () => {
    await secretary.hears(member);
    const tile = testid(`tile-${member.id}`);
    await there(secretary.page, `${tile} .face`);
    await there(member.page, `${testid('btn-cam')}[data-on="false"]`);
    await secretary.sees(recorder);
  });

  test('the path of the media is told in words', async () => {
    await there(secretary.page, `${testid('network')}[data-grade="good"][data-path="direct"]`);
    await says(secretary.page, '网络良好，直连');
  });

  test('the chair mutes a member: nobody hears them, whatever their page sends', async () => {
    await secretary.hears(member);
    await recorder.hears(member);
    await manage(secretary, member, 'mute');
    await says(member.page, `主持人${secretary.name}已将您静音`);
    await there(member.page, `${testid('btn-mic')}[data-on="false"]`);
    // A page that does not obey.
    await member.page.evaluate(() => {
      for (const sender of window.__yuntang.pc().getSenders()) if (sender.track?.kind === 'audio') sender.track.enabled = true;
    });
    await silent(secretary, member);
    await silent(recorder, member);
    await member.page.click('btn-mic');
    await secretary.hears(member);
  });

  test('a raised hand stands in the queue until it is lowered by the chair', async () => {
    await member.page.click('btn-hand');
    await there(secretary.page, testid(`lower-${member.id}`));
    await there(recorder.page, `${testid(`tile-${member.id}`)} .hand`);
    await secretary.page.click(`lower-${member.id}`);
    await gone(secretary.page, testid('hands'));
    await there(member.page, `${testid('btn-hand')}:not(.on)`);
  });

  test('the chair hands over, and the other presides', async () => {
    await secretary.page.click('chair-menu');
    await secretary.page.click('btn-hand-over');
    await secretary.page.click(`hand-over-${member.id}`);
    await secretary.page.click('hand-over-confirm');
    await says(member.page, '您现在是主持人');
    await there(member.page, testid('btn-declare-open'));
    await gone(secretary.page, testid('btn-declare-open'));
    await role(recorder, member, 'chair');
  });

  test('the chair is lost: all are told, the entitled one takes over by the banner', async () => {
    await member.page.close();
    for (const person of [secretary, recorder]) await there(person.page, testid('chair-lost'), 30_000);
    assert.equal(await recorder.page.evaluate((id) => document.querySelector(id), testid('btn-take-over')), null);
    await secretary.page.click('btn-take-over');
    for (const person of [secretary, recorder]) {
      await gone(person.page, testid('chair-lost'));
      await role(person, secretary, 'chair');
    }
  });

  test('a second device of the same person takes the first one\'s place, and gives it back', async () => {
    const second = new Person(server, 'recorder', await chromium.page(4));
    await second.join(session);
    await there(recorder.page, testid('replaced-banner'));
    await secretary.sees(second);
    await secretary.hears(second);
    const tiles = await secretary.page.evaluate((id) => document.querySelectorAll(id).length, testid(`tile-${recorder.id}`));
    assert.equal(tiles, 1, 'one tile for one person');
    await there(recorder.page, `${testid('room')}:not(:has(${testid('btn-mic')}))`);
    await recorder.page.click('use-this');
    await secretary.sees(recorder);
    await there(second.page, testid('replaced-banner'));
    await second.page.close();
    await secretary.sees(recorder);
  });

  test('a removed participant gets a clear page and cannot walk in again at once', async () => {
    await manage(secretary, recorder, 'remove');
    await there(recorder.page, testid('removed-page'));
    await says(recorder.page, '主持人已请您离开会场');
    await secretary.noLongerSees(recorder);
    await recorder.page.goto(recorder.address(`/s/${session}`));
    await recorder.page.click('lobby-consent');
    await recorder.page.click('lobby-join');
    await there(recorder.page, testid('refusal'));
    await says(recorder.page, '主持人已请您离开会场');
    await recorder.page.close();
  });

  test('a device that refuses gets plain words, and no one has to have one', async () => {
    const page = await chromium.page(5);
    await page.raw.addInitScript(() => {
      const working = navigator.mediaDevices.getUserMedia;
      window.__refuse = { video: 'NotAllowedError', audio: 'NotAllowedError' };
      navigator.mediaDevices.getUserMedia = (wanted) => {
        const name = window.__refuse[wanted.video ? 'video' : 'audio'];
        return name ? Promise.reject(new DOMException('no', name)) : working(wanted);
      };
    });
    const person = new Person(server, 'member2', page);
    await person.signIn(`/s/${session}`);
    const cases = [
      ['NotAllowedError', 'denied', '请点击地址栏左侧的图标'],
      ['NotReadableError', 'taken', '正被其他程序使用'],
      ['NotFoundError', 'missing', '请检查连接'],
    ];
    for (const [name, problem, words] of cases) {
      await page.evaluate((name) => Object.assign(window.__refuse, { video: name, audio: name }), name);
      for (const device of ['camera', 'microphone']) {
        if (name !== 'NotAllowedError') await page.click(`${device}-retry`);
        const notice = `${testid(`${device}-problem`)}[data-problem="${problem}"]`;
        await there(page, notice);
        assert.ok((await page.evaluate((id) => document.querySelector(id).innerText, notice)).includes(words), `${device}: ${words}`);
      }
    }
    // Plugged in: one press, and the notice goes.
    await page.evaluate(() => (window.__refuse.audio = null));
    await page.click('microphone-retry');
    await gone(page, testid('microphone-problem'));
    await person.enter();
    await secretary.hears(person);
    await there(secretary.page, `${testid(`tile-${person.id}`)} .face`);
    // In the room the same words, and the room stays as it is.
    await page.click('btn-cam');
    await says(page, '没有找到摄像头');
    await page.close();
  });

  test('a browser that holds sound back is asked for one tap', async () => {
    const page = await chromium.page(6);
    // As Safari does it. (Chromium takes every evaluation by Playwright for a touch of the person.)
    await page.raw.addInitScript(() => {
      const play = HTMLMediaElement.prototype.play;
      let tapped = false;
      addEventListener('click', (event) => (tapped ||= event.target.closest('[data-testid="btn-unblock"]') !== null), true);
      HTMLMediaElement.prototype.play = function () {
        if (tapped || this.tagName !== 'AUDIO') return play.call(this);
        this.autoplay = false;
        this.pause();
        return Promise.reject(new DOMException('play() needs a gesture', 'NotAllowedError'));
      };
    });
    const observer = new Person(server, 'observer', page);
    await observer.join(session, { camera: false });
    await says(page, '点击播放声音');
    assert.ok(await page.evaluate(() => [...document.querySelectorAll('audio')].some((one) => one.paused)), 'held back');
    await page.click('btn-unblock');
    await gone(page, testid('btn-unblock'));
    await page.until(() => [...document.querySelectorAll('audio')].every((one) => !one.paused), null);
    await observer.hears(secretary);
  });
});

describe('accounts', { timeout: 60_000 }, () => {
  test('large type is a matter of the person, not of the device', async () => {
    const senior = new Person(server, 'member4', await chromium.page(1));
    await senior.signIn();
    await there(senior.page, 'html.large');
    assert.equal(await senior.page.evaluate(() => getComputedStyle(document.documentElement).fontSize), '20px');
    await senior.page.click('large-type');
    await gone(senior.page, 'html.large');
    const saved = await senior.page.until(
      () => fetch('/api/me').then((answer) => answer.json()).then((me) => !me.large_type), null,
    );
    assert.ok(saved);
    await senior.page.reload();
    await there(senior.page, testid('large-type'));
    assert.equal(await senior.page.evaluate(() => document.documentElement.classList.contains('large')), false);
    await senior.page.close();
  });

  test('signing out everywhere ends the other device too', async () => {
    const one = new Person(server, 'member6', await chromium.page(1));
    const other = new Person(server, 'member6', await chromium.page(2));
    for (const person of [one, other]) {
      await person.signIn();
      await there(person.page, testid('account-menu'));
    }
    await one.page.click('account-menu');
    await one.page.click('logout-everywhere');
    await one.page.click('logout-everywhere-confirm');
    await there(one.page, testid('login-submit'));
    await other.page.reload();
    await there(other.page, testid('login-submit'));
    await Promise.all([one.page.close(), other.page.close()]);
  });

  test('a changed password is the only one that works', async () => {
    const person = new Person(server, 'member5', await chromium.page(1));
    await person.signIn();
    await person.page.click('account-menu');
    await person.page.click('menu-password');
    const fresh = '清河岸边的一棵老槐树';
    await person.page.fill('password-old', person.account.password);
    await person.page.fill('password-new', fresh);
    await person.page.fill('password-again', fresh);
    await person.page.click('password-submit');
    await says(person.page, '密码已修改');
    await person.page.click('account-menu');
    await person.page.click('logout');
    await there(person.page, testid('login-submit'));
    await person.page.fill('login-name', person.account.login);
    await person.page.fill('login-password', person.account.password);
    await person.page.click('login-submit');
    await there(person.page, testid('login-error'));
    await person.page.fill('login-password', fresh);
    await person.page.click('login-submit');
    await there(person.page, testid('account-menu'));
  });
});
