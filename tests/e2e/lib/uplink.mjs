// A page that publishes a camera of three layers by WHIP and reads what its browser believes of the line.

/** Rates of the three layers, as the room's own page asks for them (web-client/src/rtc/codecs.ts). */
export const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 100_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 250_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 800_000 },
];
/** All three: what the encoders are given when the line carries it. */
export const FULL = LAYERS.reduce((sum, one) => sum + one.maxBitrate, 0);

/** Runs in the page: publishes, and notes in `window.__uplink` ten times a second what is sent. */
async function begin({ url, token, layers }) {
  // Fine noise: an encoder sends as much of it as it may, and need not leave frames out for it.
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [960, 540];
  const pen = canvas.getContext('2d');
  const noise = document.createElement('canvas');
  [noise.width, noise.height] = [1920, 1080];
  const dots = noise.getContext('2d').createImageData(1920, 1080);
  for (let at = 0; at < dots.data.length; at += 4) {
    const grey = 118 + Math.random() * 20;
    dots.data.set([grey, grey, grey, 255], at);
  }
  noise.getContext('2d').putImageData(dots, 0, 0);
  setInterval(() => pen.drawImage(noise, -Math.random() * 960, -Math.random() * 540), 66);
  const stream = canvas.captureStream(15);
  const context = new AudioContext();
  const tone = context.createOscillator();
  const out = context.createMediaStreamDestination();
  tone.connect(out);
  tone.start();

  const pc = new RTCPeerConnection();
  pc.addTransceiver(out.stream.getAudioTracks()[0], { direction: 'sendonly' });
  pc.addTransceiver(stream.getVideoTracks()[0], {
    direction: 'sendonly',
    sendEncodings: layers.map((one) => ({ ...one, maxFramerate: 15 })),
  });
  const uplink = (window.__uplink = { pc, connected: null, samples: [] });
  pc.addEventListener('connectionstatechange', () => {
    if (pc.connectionState === 'connected') uplink.connected ??= performance.now();
  });
  await pc.setLocalDescription();
  const gathered = new Promise((done) => {
    if (pc.iceGatheringState === 'complete') done();
    pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done());
  });
  await gathered;
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
    body: pc.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`WHIP: ${answer.status} ${await answer.text()}`);
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  uplink.remote = pc.remoteDescription.sdp;
  setInterval(async () => {
    const reports = [...(await pc.getStats()).values()];
    const sending = reports.filter((one) => one.type === 'outbound-rtp' && one.kind === 'video');
    const pair = reports.find((one) => one.type === 'candidate-pair' && one.nominated);
    const round = (value) => Math.round(value ?? 0);
    if (uplink.connected === null) return;
    uplink.samples.push({
      at: Math.round(performance.now() - uplink.connected),
      estimate: round(pair?.availableOutgoingBitrate),
      target: round(sending.reduce((sum, one) => sum + (one.targetBitrate ?? 0), 0)),
      bytes: sending.reduce((sum, one) => sum + one.bytesSent, 0),
      layers: Object.fromEntries(sending.map((one) => [one.rid, [round(one.targetBitrate), one.frameWidth ?? 0, one.framesSent]])),
      limited: [...new Set(sending.map((one) => one.qualityLimitationReason))].join(),
      lost: reports.filter((one) => one.type === 'remote-inbound-rtp' && one.kind === 'video').reduce((sum, one) => sum + one.packetsLost, 0),
      rtt: pair?.currentRoundTripTime,
    });
  }, 100);
}

/** Publishes from `page` (which is at an address of the server) with a token of `yuntang token whip`. */
export const publishLayers = (page, { url, token }) => page.evaluate(begin, { url, token, layers: LAYERS });

/** All samples until `ms` after the connection stood. */
export async function samplesUntil(page, ms) {
  await page.until((until) => window.__uplink.samples.at(-1)?.at >= until, ms, ms + 20_000);
  return page.evaluate(() => window.__uplink.samples);
}
