// Python with FFmpeg's WHIP muxer (PyAV) and another WebRTC stack (aiortc), in the user's cache.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['av==18.1.*', 'aiortc==1.16.*'];
const HOME = path.join(
  process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'yuntang', 'python-av18.1-aiortc1.16',
);

async function run(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${code}\n${said}`);
}

/** The interpreter; made on first use, whole or not at all. */
export async function python() {
  const program = path.join(HOME, 'bin', 'python');
  if (!existsSync(path.join(HOME, 'complete'))) {
    await rm(HOME, { recursive: true, force: true });
    await mkdir(path.dirname(HOME), { recursive: true });
    await run('python3', ['-m', 'venv', HOME]);
    await run(program, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]);
    await mkdir(path.join(HOME, 'complete.part'));
    await rename(path.join(HOME, 'complete.part'), path.join(HOME, 'complete'));
  }
  return program;
}

/** A script of this folder that runs until `end()`. */
export class Script {
  static async start(name, args) {
    const self = new Script();
    const file = fileURLToPath(new URL(name, import.meta.url));
    self.child = spawn(await python(), [file, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    self.name = name;
    self.lines = [];
    self.errors = '';
    self.waiting = [];
    self.child.stderr.on('data', (chunk) => (self.errors += chunk));
    createInterface({ input: self.child.stdout }).on('line', (line) => {
      self.lines.push(line);
      self.check();
    });
    self.closed = once(self.child, 'close').then(([code]) => {
      self.code = code;
      self.check();
      return code;
    });
    return self;
  }

  check() {
    this.waiting = this.waiting.filter(({ text, resolve, reject }) => {
      const line = this.lines.find((line) => line.startsWith(text));
      if (line !== undefined) resolve(line);
      else if (this.code !== undefined) reject(new Error(`${this.name} ended (${this.code}):\n${this.errors}`));
      else return true;
      return false;
    });
  }

  /** Waits until it has said a line that starts so. */
  async said(text, timeout = 60_000) {
    let timer;
    const line = new Promise((resolve, reject) => {
      this.waiting.push({ text, resolve, reject });
      timer = setTimeout(() => reject(new Error(`${this.name} never said "${text}":\n${this.errors}`)), timeout);
      this.check();
    });
    return line.finally(() => clearTimeout(timer));
  }

  /** Asks it to end in good order; its exit code. */
  end() {
    this.child.stdin.end();
    return this.closed;
  }

  /** As a power switch would. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}
