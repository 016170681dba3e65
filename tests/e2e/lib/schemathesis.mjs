// Schemathesis (PyPI), in the user's cache; made on first use, whole or not at all.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

const PACKAGE = 'schemathesis==4.32.*';
const HOME = path.join(
  process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'yuntang', 'schemathesis-4.32',
);

async function run(program, args, cwd) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  return { code, said };
}

async function program() {
  if (!existsSync(path.join(HOME, 'complete'))) {
    await rm(HOME, { recursive: true, force: true });
    await mkdir(path.dirname(HOME), { recursive: true });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE];
    for (const [what, args] of [['python3', ['-m', 'venv', HOME]], [path.join(HOME, 'bin', 'python'), pip]]) {
      const { code, said } = await run(what, args);
      if (code !== 0) throw new Error(`${what} ${args.join(' ')}: exit ${code}\n${said}`);
    }
    await mkdir(path.join(HOME, 'complete.part'));
    await rename(path.join(HOME, 'complete.part'), path.join(HOME, 'complete'));
  }
  return path.join(HOME, 'bin', 'st');
}

/**
 * Runs it against a server for about `seconds`, as whoever has the cookie (or nobody), with some
 * parameters `known`. What it found is in `said`; `code` 0 means nothing.
 */
export async function schemathesis(url, { cookie, seconds, exclude = [], known = {}, cwd }) {
  // Ids that exist: made up ones are not found, and nothing behind them is tried.
  const lines = Object.entries(known).map(([name, value]) => `"${name}" = "${value}"`);
  await writeFile(path.join(cwd, 'schemathesis.toml'), ['[parameters]', ...lines, ''].join('\n'));
  const args = [
    'run', `${url}/api/openapi.json`,
    '--checks', 'not_a_server_error,status_code_conformance,content_type_conformance,'
      + 'response_headers_conformance,response_schema_conformance',
    '--phases', 'examples,coverage,fuzzing',
    '--max-time', String(seconds), '--seed', '20261122', '--generation-deterministic',
    '--suppress-health-check', 'all', '--warnings', 'off', '--request-timeout', '20',
    '--no-color', '--header', `Origin: ${url}`,
  ];
  if (cookie) args.push('--header', `Cookie: ${cookie}`);
  for (const part of exclude) args.push('--exclude-path', part);
  return run(await program(), args, cwd);
}
