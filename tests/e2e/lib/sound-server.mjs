// Firefox needs a sound device before an AudioContext runs: a private PulseAudio with a null sink.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export class SoundServer {
  static async start() {
    const self = new SoundServer();
    self.dir = await mkdtemp(path.join(tmpdir(), 'yuntang-sound-'));
    const socket = path.join(self.dir, 'socket');
    self.child = spawn(
      'pulseaudio',
      [
        '-n', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no', '--disallow-exit',
        '-L', 'module-null-sink', '-L', `module-native-protocol-unix socket=${socket} auth-anonymous=1`,
      ],
      { stdio: 'ignore', env: { ...process.env, HOME: self.dir, XDG_RUNTIME_DIR: self.dir } },
    );
    const deadline = Date.now() + 10_000;
    while (!existsSync(socket)) {
      if (self.child.exitCode !== null || Date.now() > deadline) throw new Error('pulseaudio did not start');
      await new Promise((resolve) => setImmediate(resolve));
    }
    self.address = `unix:${socket}`;
    return self;
  }

  async stop() {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null) await once(this.child, 'close');
    await rm(this.dir, { recursive: true, force: true });
  }
}
