// Schemathesis asks the served demo for everything its description names, and more: no 5xx, and no
// answer that contradicts the description, whoever asks.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { schemathesis } from './lib/schemathesis.mjs';
import { Server } from './lib/server.mjs';

const SECONDS = 12;
// They end the sign-in that the run lives by; they are asked for without one.
const ENDS_SIGN_IN = ['/api/logout', '/api/logout-everywhere'];

let server;

before(async () => {
  server = await Server.create();
  await server.start();
});

after(() => server?.remove());

async function cookieOf(key) {
  const { login, password } = server.account(key);
  const answer = await fetch(`${server.url}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.url },
    body: JSON.stringify({ login, password }),
  });
  assert.equal(answer.status, 200);
  return answer.headers.get('set-cookie').split(';')[0];
}

for (const who of ['nobody', 'secretary', 'member1', 'observer', 'admin']) {
  test(`no answer to ${who} contradicts the description`, async () => {
    const cookie = who === 'nobody' ? undefined : await cookieOf(who);
    const exclude = cookie ? ENDS_SIGN_IN : [];
    // Some ask for what there is, some for ids of their own making.
    const known = ['secretary', 'member1', 'observer'].includes(who)
      ? { 'path.id': server.demo.sessions[0].id, 'query.org_id': server.account(who).org_id }
      : {};
    const { code, said } = await schemathesis(server.url, {
      cookie, exclude, known, seconds: SECONDS, cwd: server.data,
    });
    assert.equal(code, 0, said);
    // It did ask: an empty run finds nothing either.
    assert.match(said, /[1-9]\d* (test cases|generated)/i, said);
    assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  });
}
