// Networks of their own: namespaces with a veth pair to this machine, a NAT between, and nftables.
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

let made = 0;

function run(program, args, input) {
  const done = spawnSync(program, args, { input, encoding: 'utf8' });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr.trim()}`);
  return done.stdout;
}

const ip = (...args) => run('ip', args);

/** Why this machine cannot make namespaces; null if it can. */
export function whyNot() {
  if (process.getuid() !== 0) return 'network namespaces need root';
  const name = `yt${process.pid}try`;
  try {
    ip('netns', 'add', name);
    run('ip', ['netns', 'exec', name, 'nft', 'list', 'ruleset']);
    return null;
  } catch (error) {
    return `this machine makes no network namespaces: ${error.message}`;
  } finally {
    spawnSync('ip', ['netns', 'del', name]);
  }
}

/**
 * A network in which a browser sits, behind a router with NAT. To the browser this machine is
 * `net.server`; `net.outside` is the address that this machine sees the browser at.
 */
export class Net {
  static async create() {
    const net = new Net();
    made += 1;
    // 198.18.0.0/15 is for tests of networks (RFC 2544): no real network is in the way.
    const block = (process.pid * 7 + made) % 250;
    net.id = `yt${process.pid}n${made}`;
    net.client = `${net.id}c`;
    net.router = `${net.id}r`;
    net.server = `198.18.${block}.1`;
    net.outside = `198.18.${block}.2`;
    net.other = `198.18.${block}.3`;
    const inner = `198.19.${block}`;
    net.inner = inner;
    try {
      for (const name of [net.client, net.router]) {
        ip('netns', 'add', name);
        ip('-n', name, 'link', 'set', 'lo', 'up');
        // All is IPv4 here: no link-local address that comes by itself seconds after a link, and counts as a change of network.
        run('ip', ['netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']);
      }
      // This machine ─ wan ─ router ─ in ─ browser
      ip('link', 'add', `${net.id}u`, 'type', 'veth', 'peer', 'name', 'wan', 'netns', net.router);
      ip('addr', 'add', `${net.server}/24`, 'dev', `${net.id}u`);
      ip('link', 'set', `${net.id}u`, 'up');
      ip('-n', net.router, 'addr', 'add', `${net.outside}/24`, 'dev', 'wan');
      ip('-n', net.router, 'link', 'set', 'wan', 'up');
      net.plug('eth0', 1);
      net.inRouter('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.promote_secondaries=1', 'net.ipv4.conf.wan.promote_secondaries=1');
      net.redirect(null);
      const folder = await mkdtemp(path.join(tmpdir(), 'yuntang-net-'));
      net.folder = folder;
      net.browser = path.join(folder, 'chromium');
      await writeFile(net.browser, `#!/bin/sh\nexec ip netns exec ${net.client} /usr/bin/chromium "$@"\n`);
      await chmod(net.browser, 0o755);
      return net;
    } catch (error) {
      await net.remove();
      throw error;
    }
  }

  /** Another interface of the browser's machine, on which everything goes from now on. */
  plug(name, number) {
    const inner = `198.19.${Number(this.inner.split('.')[2])}`;
    const subnet = `${inner}.${number * 16}`;
    const host = (offset) => `${inner}.${number * 16 + offset}`;
    ip('link', 'add', name, 'netns', this.client, 'type', 'veth', 'peer', 'name', `in${number}`, 'netns', this.router);
    ip('-n', this.router, 'addr', 'add', `${host(1)}/28`, 'dev', `in${number}`);
    ip('-n', this.router, 'link', 'set', `in${number}`, 'up');
    ip('-n', this.client, 'addr', 'add', `${host(2)}/28`, 'dev', name);
    ip('-n', this.client, 'link', 'set', name, 'up');
    // What is sent before the kernel calls the link up is lost, and asked for again after a second.
    while (!ip('-n', this.client, '-br', 'link', 'show', name).includes(' UP ')) continue;
    ip('-n', this.client, 'route', 'replace', 'default', 'via', host(1), 'dev', name);
    return subnet;
  }

  unplug(name) {
    ip('-n', this.client, 'link', 'set', name, 'down');
  }

  inRouter(...command) {
    return run('ip', ['netns', 'exec', this.router, ...command]);
  }

  /** Replaces the rules of a namespace (its table `inet yuntang`). */
  rules(namespace, chains) {
    const text = `add table inet yuntang\ndelete table inet yuntang\ntable inet yuntang {\n${chains}\n}\n`;
    run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], text);
  }

  /** The router sends what is for TCP `port` of this machine to `other`; null: everything where it is for. */
  redirect(port, other) {
    const there = port === null ? '' : `ip daddr ${this.server} tcp dport ${port} dnat ip to ${this.server}:${other};`;
    this.rules(
      this.router,
      // What comes with the address of another network is thrown away, as providers do (BCP 38).
      `chain spoofed { type filter hook forward priority 0; fib saddr . iif oif missing drop; }
       chain in { type nat hook prerouting priority -100; ${there} }
       chain out { type nat hook postrouting priority 100; oifname "wan" masquerade; }`,
    );
  }

  /** What leaves and enters the browser's machine. */
  firewall(verdicts) {
    this.rules(this.client, `chain out { type filter hook output priority 0; oifname "lo" accept; ${verdicts} }`);
  }

  /** What the browser's machine sends is held to `kbits` a second, with a queue of 200 ms; null: as fast as it goes. */
  limit(kbits) {
    const tc = (...args) => spawnSync('ip', ['netns', 'exec', this.client, 'tc', 'qdisc', ...args], { encoding: 'utf8' });
    if (kbits === null) {
      tc('del', 'dev', 'eth0', 'root');
      return;
    }
    const done = tc('replace', 'dev', 'eth0', 'root', 'tbf', 'rate', `${kbits}kbit`, 'burst', '3kb', 'latency', '200ms');
    if (done.status !== 0) throw new Error(`tc: ${done.stderr}`);
  }

  /** The NAT gets another public address: whatever it had mapped is lost. */
  rebind() {
    ip('-n', this.router, 'addr', 'add', `${this.other}/24`, 'dev', 'wan');
    // Masqueraded connections end with their address.
    ip('-n', this.router, 'addr', 'del', `${this.outside}/24`, 'dev', 'wan');
    [this.outside, this.other] = [this.other, this.outside];
  }

  async remove() {
    for (const name of [this.client, this.router]) spawnSync('ip', ['netns', 'del', name]);
    spawnSync('ip', ['link', 'del', `${this.id}u`]);
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }
}
