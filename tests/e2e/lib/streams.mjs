// A page of another site with the WHIP and WHEP clients of @eyevinn in it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { build } from 'esbuild';

const ENTRY = `
  export { WHIPClient } from '@eyevinn/whip-web-client';
  export { WebRTCPlayer, ListAvailableAdapters } from '@eyevinn/webrtc-player';
`;

/** Serves one empty page with both clients as `window.eyevinn`; {url, close}. */
export async function otherSite() {
  const built = await build({
    stdin: { contents: ENTRY, resolveDir: import.meta.dirname },
    bundle: true, format: 'iife', globalName: 'eyevinn', write: false, logLevel: 'error',
  });
  const script = built.outputFiles[0].text;
  const page = '<!doctype html><meta charset="utf-8"><title>player</title><video autoplay playsinline muted></video><script src="/clients.js"></script>';
  const server = createServer((request, response) => {
    const isScript = request.url === '/clients.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : page);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Plays a WHEP address in the page's <video>. */
export const play = (page, { url, token }) => page.evaluate(async ({ url, token }) => {
  const video = document.querySelector('video');
  const player = new window.eyevinn.WebRTCPlayer({
    video, type: 'whep', iceServers: [], timeoutThreshold: 60_000,
  });
  window.__player = player;
  await player.load(new URL(url), `Bearer ${token}`);
}, { url, token });

/** Publishes the page's camera and microphone to a WHIP address. */
export const publish = (page, { url, token }) => page.evaluate(async ({ url, token }) => {
  const client = new window.eyevinn.WHIPClient({ endpoint: url, opts: { authkey: token, iceServers: [] } });
  window.__publisher = client;
  await client.ingest(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
}, { url, token });

/** Waits until the page's <video> shows the moving code and gives the tone of a person. */
export async function plays(page, { index, frequency, timeout = 30_000 }) {
  await page.until(
    ({ index, frequency }) => {
      const video = document.querySelector('video');
      const seen = window.__see(video);
      const heard = window.__hear(video);
      if (seen?.person === index) (window.__played ??= new Set()).add(seen.time);
      const fits = window.__played?.size >= 3 && heard !== null && Math.abs(heard - frequency) < 12;
      if (fits) delete window.__played;
      return fits;
    },
    { index, frequency },
    timeout,
  ).catch(async (error) => {
    const now = await page.evaluate(() => {
      const video = document.querySelector('video');
      return { width: video.videoWidth, seen: window.__see(video), heard: window.__hear(video) };
    });
    throw new Error(`the player does not show person ${index} at ${frequency} Hz: ${JSON.stringify(now)} (${error.message})`);
  });
}
