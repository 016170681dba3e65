// Reads a composed MP4 back: streams, decode errors, colours and tones at a time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { COLOURS } from './fake-devices.mjs';

async function run(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const out = [];
  let err = '';
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${code}\n${err}`);
  return { out: Buffer.concat(out), err };
}

/** {seconds, video, audio, chapters} by ffprobe. */
export async function probe(file) {
  const { out } = await run('ffprobe', ['-v', 'error', '-of', 'json', '-show_format', '-show_streams', '-show_chapters', file]);
  const data = JSON.parse(out);
  return {
    seconds: Number(data.format.duration),
    video: data.streams.filter((stream) => stream.codec_type === 'video' && !stream.disposition?.attached_pic),
    audio: data.streams.filter((stream) => stream.codec_type === 'audio'),
    chapters: data.chapters,
  };
}

/** Everything ffmpeg has to say while it decodes all of it; empty when the file is clean. */
export async function decodeErrors(file) {
  return (await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-'])).err.trim();
}

const WIDTH = 160;
const HEIGHT = 90;

/** Share of the picture (0–1) that each colour of fake-devices covers at `second`. */
export async function colours(file, second) {
  const { out } = await run('ffmpeg', [
    '-v', 'error', '-ss', String(second), '-i', file, '-frames:v', '1',
    '-vf', `scale=${WIDTH}:${HEIGHT}:flags=area`, '-pix_fmt', 'rgb24', '-f', 'rawvideo', '-',
  ]);
  const counts = COLOURS.map(() => 0);
  for (let i = 0; i + 2 < out.length; i += 3) {
    let best = -1;
    let distance = 45;
    COLOURS.forEach((colour, k) => {
      const d = Math.hypot(out[i] - colour[0], out[i + 1] - colour[1], out[i + 2] - colour[2]);
      if (d < distance) [best, distance] = [k, d];
    });
    if (best >= 0) counts[best] += 1;
  }
  return counts.map((count) => count / (WIDTH * HEIGHT));
}

/** Power of one frequency in [from, from+length) seconds, relative to all power (Goertzel). */
export async function toneShare(file, frequency, from, length = 1) {
  const rate = 16_000;
  const { out } = await run('ffmpeg', [
    '-v', 'error', '-ss', String(from), '-t', String(length), '-i', file, '-vn', '-ac', '1', '-ar', String(rate), '-f', 's16le', '-',
  ]);
  const samples = new Int16Array(out.buffer, out.byteOffset, out.length >> 1);
  if (samples.length === 0) return 0;
  const w = (2 * Math.PI * frequency) / rate;
  let re = 0;
  let im = 0;
  let total = 0;
  samples.forEach((value, n) => {
    re += value * Math.cos(w * n);
    im += value * Math.sin(w * n);
    total += value * value;
  });
  return total === 0 ? 0 : (2 * (re * re + im * im)) / (samples.length * total);
}
