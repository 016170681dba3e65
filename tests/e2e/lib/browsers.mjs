// Chromium through playwright-core and Firefox ESR through puppeteer-core (WebDriver BiDi), behind
// the few calls that the tests need.
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { COLOURS, install, tone } from './fake-devices.mjs';
import { SoundServer } from './sound-server.mjs';

const CHROMIUM_FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required', '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
];

const LOOK_EVERY_MS = 100;
/** What a browser says of a look that the page left behind: the next page is asked instead. */
const LEFT = /context was destroyed|Cannot find context|frame (was|got) detached|DiscardedBrowsingContext|no such frame|Inspected target navigated|Navigating frame/i;

/**
 * Looks at the page until `fn` gives something truthy there, or what a promise of it gives; that value.
 * (The browsers' own waiting takes a promise itself for an answer.)
 */
async function until(page, fn, arg, timeout) {
  const end = performance.now() + timeout;
  for (;;) {
    const value = await page.evaluate(fn, arg).catch((error) => {
      if (LEFT.test(error.message)) return undefined;
      throw error;
    });
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${fn} for ${JSON.stringify(arg)}`);
    await setTimeout(LOOK_EVERY_MS);
  }
}

export class Chromium {
  /** `program` may put it into a network of its own. */
  static async launch({ program = '/usr/bin/chromium', flags = [] } = {}) {
    const self = new Chromium();
    self.browser = await chromium.launch({
      executablePath: program,
      args: [...CHROMIUM_FLAGS, ...flags],
      ignoreDefaultArgs: ['--headless', '--mute-audio'],
    });
    return self;
  }

  /** A person with cookies of their own; `index` chooses colour, code and tone. */
  async page(index, { viewport = { width: 1366, height: 768 }, ...options } = {}) {
    const context = await this.browser.newContext({
      viewport, locale: 'zh-CN', timezoneId: 'Asia/Shanghai', ...options,
    });
    await context.addInitScript(install, { index, colours: COLOURS, frequency: tone(index) });
    const page = await context.newPage();
    return {
      index,
      raw: page,
      goto: (url) => page.goto(url),
      url: () => page.url(),
      reload: () => page.reload(),
      click: (id) => page.getByTestId(id).first().click({ timeout: 20_000 }),
      fill: (id, text) => page.getByTestId(id).first().fill(text, { timeout: 20_000 }),
      /** Runs in the page before its own scripts, each time that it is loaded. */
      init: (fn, arg) => page.addInitScript(fn, arg),
      evaluate: (fn, arg) => page.evaluate(fn, arg),
      until: (fn, arg, timeout = 20_000) => until(page, fn, arg, timeout),
      screenshot: (file, options = {}) => page.screenshot({ path: file, ...options }),
      close: () => context.close(),
    };
  }

  close() {
    return this.browser.close();
  }
}

const FIREFOX_PREFS = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'dom.min_background_timeout_value': 10,
  'intl.accept_languages': 'zh-CN',
  'app.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

export class Firefox {
  static async launch() {
    const self = new Firefox();
    self.sound = await SoundServer.start();
    self.browser = await puppeteer.launch({
      browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true,
      extraPrefsFirefox: FIREFOX_PREFS,
      env: { ...process.env, PULSE_SERVER: self.sound.address },
    });
    return self;
  }

  /** A person with cookies of their own. */
  async page(index) {
    const context = await this.browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width: 1366, height: 768 });
    await page.evaluateOnNewDocument(install, { index, colours: COLOURS, frequency: tone(index) });
    const element = (id) => page.waitForSelector(`[data-testid="${id}"]`, { visible: true, timeout: 20_000 });
    return {
      index,
      raw: page,
      goto: (url) => page.goto(url),
      url: () => page.url(),
      reload: () => page.reload(),
      click: async (id) => (await element(id)).click(),
      fill: async (id, text) => (await element(id)).type(text),
      init: (fn, arg) => page.evaluateOnNewDocument(fn, arg),
      evaluate: (fn, arg) => page.evaluate(fn, arg),
      until: (fn, arg, timeout = 20_000) => until(page, fn, arg, timeout),
      screenshot: (file, options = {}) => page.screenshot({ path: file, ...options }),
      close: () => context.close(),
    };
  }

  async close() {
    await this.browser.close();
    await this.sound.stop();
  }
}
