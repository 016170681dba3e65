// A meeting made over HTTP by a signed-in secretary: for tests whose subject comes later.
import assert from 'node:assert/strict';

/** Creates and opens a session of the secretary's branch; its id. */
export async function openMeeting(secretary, { title, policy } = {}) {
  await secretary.signIn('/');
  await secretary.page.until(() => document.querySelector('[data-testid="login-submit"]') === null, null);
  const me = (await secretary.api('/api/me')).json;
  const created = await secretary.api('/api/sessions', {
    method: 'POST',
    body: {
      org_id: me.can_create[0],
      kind: 'branch_assembly',
      title: title ?? '支部党员大会',
      planned_start_us: Date.now() * 1000,
      duration_min: 60,
      agenda: [{ title: '第一项' }, { title: '第二项' }],
    },
  });
  assert.ok(created.status < 300, JSON.stringify(created.json));
  const { id } = created.json;
  if (policy) {
    const set = await secretary.api(`/api/sessions/${id}/policy`, { method: 'PUT', body: policy });
    assert.equal(set.status, 200, JSON.stringify(set.json));
  }
  const opened = await secretary.api(`/api/sessions/${id}/open`, { method: 'POST', body: {} });
  assert.equal(opened.status, 200, JSON.stringify(opened.json));
  return id;
}

/** Waits until the recording is rendered; the archive answer. */
export async function rendered(person, session, timeout = 120_000) {
  await person.page.goto(`${person.server.url}/archive/${session}`);
  await person.page.until(
    () => document.querySelector('[data-testid="archive-video"]') !== null, null, timeout,
  );
  return (await person.api(`/api/archive/${session}`)).json;
}

/** Official time of an archive answer, in seconds. */
export const officialSeconds = (archive) => (archive.official.end_us - archive.official.start_us) / 1e6;
