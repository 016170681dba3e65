// Starts and stops the real server on data of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const BIN = process.env.YUNTANG_BIN;

/** A TCP port that was free a moment ago. */
export async function freePort() {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Runs a verb to its end; its standard output. */
export async function verb(args, { okCodes = [0] } = {}) {
  const child = spawn(BIN, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code] = await once(child, 'close');
  if (!okCodes.includes(code)) throw new Error(`yuntang ${args.join(' ')}: exit ${code}\n${err}`);
  return { out, err, code };
}

export class Server {
  /** A new data folder with the demo organisation. */
  static async create() {
    if (!BIN) throw new Error('YUNTANG_BIN is not set: run by `cargo dev e2e`');
    const server = new Server();
    server.data = await mkdtemp(path.join(tmpdir(), 'yuntang-e2e-'));
    server.port = await freePort();
    await verb(['init', '--demo', '--data', server.data, '--port', String(server.port)]);
    server.demo = JSON.parse(await readFile(path.join(server.data, 'demo.json'), 'utf8'));
    server.url = `http://localhost:${server.port}`;
    server.log = [];
    return server;
  }

  /** Starts (again) and returns when /readyz says so. */
  async start() {
    this.child = spawn(
      BIN,
      ['serve', '--data', this.data, '--port', String(this.port), '--no-open'],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, RUST_LOG: process.env.RUST_LOG ?? 'info' } },
    );
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.log.push(line));
    }
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`server ended:\n${this.log.join('\n')}`);
      const ready = await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false);
      if (ready) return this;
      if (Date.now() > deadline) throw new Error(`server not ready:\n${this.log.join('\n')}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** SIGKILL, as a power switch would. */
  async kill() {
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }

  async stop() {
    if (this.child && this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'close');
    }
  }

  async remove() {
    await this.stop();
    if (!process.env.YUNTANG_KEEP) await rm(this.data, { recursive: true, force: true });
  }

  account(key) {
    const found = this.demo.accounts.find((account) => account.key === key);
    if (!found) throw new Error(`demo.json has no account ${key}`);
    return found;
  }
}
