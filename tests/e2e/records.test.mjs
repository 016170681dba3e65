// 一次完整的支部党员大会, on the screen: the roster comes from a spreadsheet, leave is asked and
// granted, three people check in by the code on a room's screen, a resolution fails for quorum and
// passes after one more arrives, an admission is voted on paper with a written opinion, one matter in
// secret online, and the minutes are drafted, mended, signed, sealed and taken away.
import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/browsers.mjs';
import { Person } from './lib/person.mjs';
import { Server, verb } from './lib/server.mjs';
import { xlsx } from './lib/xlsx.mjs';

const OUT = path.resolve('out/records');
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1366, height: 768 };
/** Members without an account, from the spreadsheet: with the demo's seven there are eleven voters. */
const IMPORTED = ['石磊', '𠮷田明', '古丽娜尔·买买提', '钱多多'];
const VOTERS = 7 + IMPORTED.length;
const APPLICANT = '张新民';
/** Pictures that the documents show. */
const DOCS = [
  'import-problems-desktop', 'leave-phone', 'site-desktop', 'checkin-phone', 'no-quorum-desktop', 'vote-phone',
  'passed-desktop', 'paper-desktop', 'admitted-desktop', 'secret-vote-phone', 'secret-result-desktop', 'sheet-desktop',
  'minutes-draft-phone', 'minutes-sealed-desktop', 'calculator-desktop',
];

describe('a whole 党员大会 on the records', { timeout: 400_000 }, () => {
  let server;
  let chromium;
  let secretary;
  let recorder;
  let away;
  let latecomer;
  let phones;
  let site;
  let session;
  let branch;

  const shot = (person, name) => person.page.screenshot(path.join(OUT, `${name}.png`));
  /** The same page on a phone and on a desktop, as pictures for people. */
  async function shots(person, name) {
    for (const [what, size] of [['phone', PHONE], ['desktop', DESKTOP]]) {
      await person.page.raw.setViewportSize(size);
      await shot(person, `${name}-${what}`);
    }
  }
  const has = (person, id, timeout) =>
    person.page.until((one) => document.querySelector(`[data-testid="${one}"]`) !== null, id, timeout);
  const text = (person, id) =>
    person.page.evaluate((one) => document.querySelector(`[data-testid="${one}"]`)?.textContent ?? '', id);
  /** Waits until the element says something that contains `words`. */
  const says = (person, id, words) =>
    person.page.until(
      ({ one, part }) => [...document.querySelectorAll(`[data-testid="${one}"]`)].some((found) => found.textContent.includes(part)),
      { one: id, part: words },
    );
  const choose = (person, id, value) => person.page.raw.getByTestId(id).first().selectOption(value);

  before(async () => {
    await mkdir(OUT, { recursive: true });
    server = await (await Server.create()).start();
    chromium = await Chromium.launch();
    const person = async (key, index, options) => new Person(server, key, await chromium.page(index, options));
    secretary = await person('secretary', 1);
    recorder = await person('recorder', 2);
    latecomer = await person('member4', 3, { viewport: PHONE });
    away = await person('member6', 4, { viewport: PHONE });
    phones = [];
    for (const [at, key] of ['member1', 'member2', 'member3'].entries()) {
      phones.push(await person(key, 5 + at, { viewport: PHONE }));
    }
    site = await person('recorder', 8);
  });

  after(async () => {
    await chromium?.close();
    await server?.remove();
    if (process.env.YUNTANG_DOCS_IMAGES) {
      for (const name of DOCS) await copyFile(path.join(OUT, `${name}.png`), path.resolve('../../docs/images/records', `${name}.png`));
    }
  });

  test('the roster comes from a spreadsheet: what is wrong is named, and nothing is written before it is confirmed', async () => {
    await secretary.signIn('/');
    await has(secretary, 'create-session');
    branch = (await secretary.api('/api/me')).json.org_id;
    const org = (await secretary.api(`/api/orgs/${branch}`)).json;
    assert.ok(org.code, JSON.stringify(org));
    const head = ['党员编号', '姓名', '所在组织编号', '党员类别'];
    const members = IMPORTED.map((name, at) => [`X${at + 1}`, name, org.code, '正式党员']);
    const upload = async (rows) => {
      const file = path.join(OUT, 'roster.xlsx');
      await writeFile(file, xlsx(rows));
      await secretary.page.goto(secretary.address(`/orgs/${branch}/import`));
      await has(secretary, 'import-file');
      await secretary.page.raw.getByTestId('import-file').setInputFiles(file);
      await secretary.page.click('import-upload');
      await has(secretary, 'import-result');
    };
    await upload([head, ...members, ['X9', '', org.code, '正式党员'], ['X10', '李四', org.code, '党员'], ['X11', '<b>石磊</b>', org.code, '正式党员']]);
    await has(secretary, 'import-problems');
    await shots(secretary, 'import-problems');
    assert.match(await text(secretary, 'import-problems'), /姓名[\s\S]*党员类别/);
    assert.equal((await secretary.api(`/api/orgs/${branch}`)).json.members, org.members, 'nothing is written');

    await upload([head, ...members]);
    await has(secretary, 'import-confirm');
    await shots(secretary, 'import-preview');
    await secretary.page.click('import-confirm');
    await has(secretary, 'import-done');
    assert.equal((await secretary.api(`/api/orgs/${branch}`)).json.members, org.members + IMPORTED.length);
    await upload([head, ...members]);
    assert.equal(await secretary.page.evaluate(() => document.querySelector('[data-testid="import-confirm"]')), null, 'the same again changes nothing');
  });

  test('the meeting is planned; one member asks for leave and gets it', async () => {
    await secretary.page.goto(secretary.address('/'));
    await secretary.page.click('create-session');
    await has(secretary, 'create-recorder');
    await secretary.page.fill('create-title', '第四季度支部党员大会');
    await secretary.page.fill('create-agenda-0', '讨论明年工作计划');
    for (const [at, item] of ['讨论接收预备党员', '民主推荐'].entries()) {
      await secretary.page.click('create-add-agenda');
      await secretary.page.fill(`create-agenda-${at + 1}`, item);
    }
    await secretary.page.until((id) => document.querySelector(`[data-testid="create-recorder"] option[value="${id}"]`) !== null, recorder.id);
    await choose(secretary, 'create-recorder', recorder.id);
    await shots(secretary, 'create');
    await secretary.page.click('create-submit');
    session = await secretary.page.until(() => /\/sessions\/([0-9a-f-]{36})/.exec(location.pathname)?.[1] ?? null, null);

    await away.signIn(`/sessions/${session}`);
    await away.page.click('ask-leave');
    await away.page.click('leave-kind-illness');
    await away.page.fill('leave-reason', '住院检查');
    await shot(away, 'leave-phone');
    await away.page.click('leave-send');
    await away.page.until(() => document.querySelector('[data-testid="own-leave"]')?.dataset.state === 'asked', null);
    await secretary.page.reload();
    await has(secretary, `grant-${away.id}`);
    await shots(secretary, 'leave-list');
    await secretary.page.click(`grant-${away.id}`);
    await secretary.page.until((id) => document.querySelector(`[data-testid="leave-${id}"]`)?.dataset.state === 'granted', away.id);
  });

  test('it opens with the roster frozen: 应到 with those from the spreadsheet, leave beside it', async () => {
    await secretary.page.click('session-open');
    await has(secretary, 'enter');
    const read = (await secretary.api(`/api/sessions/${session}`)).json;
    assert.deepEqual(IMPORTED.filter((name) => !read.roster.some((one) => one.name === name)), []);
    await secretary.join(session, { signedIn: true });
    await recorder.join(session);
    const { counts } = (await secretary.api(`/api/sessions/${session}`)).json;
    assert.deepEqual([counts.due, counts.due_voters, counts.present, counts.leave], [8 + IMPORTED.length, VOTERS, 2, 1]);
  });

  /** What the code on the room's screen says now. */
  const code = () => site.page.until(() => document.querySelector('[data-testid="site-code"]')?.dataset.code ?? null, null);

  test('three people check in by the code on the room’s screen; a code serves each of them once', async () => {
    await site.signIn(`/site/${session}`);
    await site.page.fill('site-name', '二楼会议室');
    await site.page.fill('site-expected', '3');
    await site.page.click('site-open');
    await has(site, 'site-page');
    for (const phone of phones) {
      await phone.signIn('/');
      await phone.page.until(() => document.querySelector('[data-testid="login-submit"]') === null, null);
    }
    const used = await code();
    for (const [at, phone] of phones.entries()) {
      await phone.page.goto(phone.address(`/checkin/${session}?c=${encodeURIComponent(await code())}`));
      if (at === 0) await shot(phone, 'checkin-phone');
      await phone.page.click('checkin-button');
      await has(phone, 'checked-in');
      await site.page.until((n) => document.querySelector('[data-testid="site-count"]')?.dataset.n === String(n), at + 1);
    }
    await shot(phones[0], 'checked-in-phone');
    await shot(site, 'site-desktop');
    await phones[0].page.goto(phones[0].address(`/checkin/${session}?c=${encodeURIComponent(used)}`));
    await phones[0].page.click('checkin-button');
    await says(phones[0], 'checkin-error', '二维码');
  });

  test('开会: five of eleven voters are here, and the vote is refused with the rule', async () => {
    await secretary.page.click('btn-declare-open');
    await secretary.page.click('declare-open-confirm');
    await secretary.page.until(() => document.querySelector('[data-testid="recording-light"][data-state="on"]') !== null, null);
    await secretary.page.click('tab-ballots');
    await secretary.page.click('ballot-new');
    await secretary.page.fill('ballot-text', '同意明年工作计划');
    await choose(secretary, 'ballot-method', 'hand');
    await secretary.page.click('ballot-open');
    await says(secretary, 'ballot-refusal', `到会有表决权党员5人`);
    await shot(secretary, 'no-quorum-desktop');
    assert.match(await text(secretary, 'ballot-refusal'), /应到11人/);
  });

  test('after one more arrives it is put to the vote again and passes', async () => {
    await latecomer.join(session);
    await secretary.page.until(() => document.querySelector('[data-testid="quorum"][data-met="true"]') !== null, null);
    await secretary.page.click('ballot-open');
    await has(secretary, 'ballot-open-card');
    for (const person of [secretary, recorder, latecomer]) {
      // The panel comes up by itself when there is something to vote on.
      if (person === latecomer) await shot(latecomer, 'vote-phone');
      await person.page.click('vote-for');
      await person.page.click('vote-confirm');
    }
    // The three in the room have their hands counted.
    await recorder.page.raw.getByText('会场内没有设备的同志').first().click();
    await recorder.page.fill('hands-for', '3');
    await recorder.page.click('hands-submit');
    await secretary.page.click('ballot-close');
    await secretary.page.until(() => document.querySelector('[data-testid="ballot-result"]')?.dataset.outcome === 'passed', null);
    await shot(secretary, 'passed-desktop');
  });

  test('an admission is voted on paper; a written opinion received before the meeting decides it', async () => {
    // Entered before the paper is given out, by the recorder.
    await recorder.page.click('ballot-records');
    await recorder.page.raw.getByText('书面意见').first().click();
    await recorder.page.fill('opinion-applicant', APPLICANT);
    await choose(recorder, 'opinion-person', away.id);
    await choose(recorder, 'opinion-choice', 'for');
    await recorder.page.fill('opinion-date', new Date(Date.now() - 86_400_000).toISOString().slice(0, 10));
    await recorder.page.click('opinion-submit');
    await has(recorder, 'opinion-count');

    await secretary.page.click('ballot-new');
    await choose(secretary, 'ballot-kind', 'admit_probationary');
    await secretary.page.fill('ballot-text', `接收${APPLICANT}同志为预备党员`);
    await secretary.page.fill('ballot-applicant', APPLICANT);
    await choose(secretary, 'ballot-method', 'paper_secret');
    await secretary.page.fill('ballot-scrutineers', phones[0].name);
    await secretary.page.fill('ballot-counters', phones[1].name);
    await secretary.page.click('ballot-tellers-approved');
    await shot(secretary, 'paper-form-desktop');
    await secretary.page.click('ballot-open');
    await has(recorder, 'paper-form');
    // Seven votes on six papers: refused by name.
    await recorder.page.fill('paper-issued', '6');
    await recorder.page.fill('paper-returned', '6');
    await recorder.page.fill('paper-for-0', '6');
    await recorder.page.fill('paper-against-0', '1');
    await recorder.page.click('paper-submit');
    await has(recorder, 'paper-refusal');
    await recorder.page.fill('paper-for-0', '5');
    const scan = path.join(OUT, 'scan.png');
    await shot(recorder, 'scan');
    await recorder.page.raw.getByTestId('paper-scan').setInputFiles(scan);
    await has(recorder, 'paper-scanned');
    await recorder.page.click('paper-submit');
    await has(recorder, 'paper-entered');
    await shot(recorder, 'paper-desktop');
    await secretary.page.click('ballot-close');
    // 5 for in the room are no majority of 11; with the opinion of the one on leave they are.
    await secretary.page.until(
      (name) => {
        const card = [...document.querySelectorAll('[data-testid="ballot-closed-card"]')].find((one) => one.textContent.includes(name));
        return card?.querySelector('[data-testid="ballot-result"]')?.dataset.outcome === 'passed';
      },
      APPLICANT,
    );
    await shot(secretary, 'admitted-desktop');
  });

  test('one matter is voted in secret online, after a superior’s approval is on record', async () => {
    await secretary.page.click('ballot-new');
    await choose(secretary, 'ballot-kind', 'admit_probationary');
    await secretary.page.fill('ballot-text', '接收李春同志为预备党员');
    await secretary.page.fill('ballot-applicant', '李春');
    await choose(secretary, 'ballot-method', 'online_secret');
    await secretary.page.click('ballot-open');
    await has(secretary, 'ballot-refusal');
    await secretary.page.click('ballot-new');
    await secretary.page.click('ballot-records');
    await secretary.page.fill('approval-organisation', '清河街道党委');
    await secretary.page.fill('approval-approver', '高振声');
    await secretary.page.fill('approval-document', '清委发〔2026〕18号');
    await secretary.page.fill('approval-date', '2026-11-20');
    await secretary.page.click('approval-submit');
    await has(secretary, 'approval-known');
    // Those in the room vote on their own phones.
    for (const phone of phones) {
      await phone.join(session, { signedIn: true, camera: false });
    }
    await secretary.page.click('ballot-new');
    await choose(secretary, 'ballot-kind', 'admit_probationary');
    await secretary.page.fill('ballot-text', '接收李春同志为预备党员');
    await secretary.page.fill('ballot-applicant', '李春');
    await choose(secretary, 'ballot-method', 'online_secret');
    await secretary.page.click('ballot-open');
    const voters = [secretary, recorder, latecomer, ...phones];
    for (const voter of voters) {
      await voter.page.click('paper-fetch');
      await has(voter, 'paper-held');
    }
    await shot(phones[0], 'secret-held-phone');
    await secretary.page.click('ballot-start');
    for (const voter of voters) {
      await voter.page.click('vote-for');
      if (voter === phones[0]) await shot(voter, 'secret-vote-phone');
      await voter.page.click('vote-confirm');
      await has(voter, 'ballot-voted');
    }
    await secretary.page.until((n) => document.querySelector('[data-testid="ballot-progress"]')?.dataset.voted === n, String(voters.length));
    await secretary.page.click('ballot-close');
    await secretary.page.until(
      () => [...document.querySelectorAll('[data-testid="ballot-closed-card"]')].some(
        (one) => one.textContent.includes('李春') && one.querySelector('[data-testid="ballot-result"]')?.dataset.outcome === 'passed',
      ),
      null,
    );
    await shot(secretary, 'secret-result-desktop');
    // Each finds the own paper in the list that was counted.
    await phones[2].page.click('ballot-check');
    await says(phones[2], 'ballot-checked', String(voters.length));
    await shot(phones[2], 'secret-checked-phone');
  });

  test('点名 reaches everybody; who answers is told, who does not is only flagged', async () => {
    await secretary.page.click('tab-roll');
    await secretary.page.click('rollcall-open');
    for (const person of [recorder, latecomer]) await person.page.click('rollcall-answer');
    await shot(secretary, 'rollcall-desktop');
    await says(secretary, 'rollcall-line', '2');
  });

  test('the calculator tells a recorder what the rules say, and why', async () => {
    const desk = new Person(server, 'recorder', await chromium.page(9));
    await desk.signIn('/rules');
    await has(desk, 'rules-kind');
    await choose(desk, 'rules-kind', 'branch_assembly');
    await desk.page.raw.getByTestId('rules-voted').check();
    for (const [field, count] of [['due', 30], ['present', 16], ['for', 15]]) {
      await desk.page.fill(`rules-${field}`, String(count));
    }
    await desk.page.click('rules-decide');
    await desk.page.until(() => document.querySelector('[data-testid="rules-answer"]')?.dataset.outcome === 'not_passed', null);
    await shots(desk, 'calculator');
    await desk.page.close();
  });

  test('散会: the sheet says who was where, and the record verifies', async () => {
    await secretary.page.click('btn-declare-close');
    await secretary.page.click('declare-close-confirm');
    await has(secretary, 'ended-page');
    await secretary.page.goto(secretary.address(`/archive/${session}`));
    await has(secretary, 'attendance');
    await shots(secretary, 'sheet');
    const archive = (await secretary.api(`/api/archive/${session}`)).json;
    const row = (person) => archive.attendance.people.find((one) => one.person_id === person.id);
    assert.equal(row(away).status, 'leave');
    assert.equal(row(phones[0]).mode, 'mixed');
    assert.equal(row(latecomer).mode, 'online');
    assert.deepEqual(
      [archive.attendance.totals.due, archive.attendance.totals.present, archive.attendance.totals.leave],
      [8 + IMPORTED.length, 6, 1],
    );
    assert.ok(archive.journal.verified, JSON.stringify(archive.journal));
  });

  test('the minutes are drafted, mended, signed by both, and sealed', async () => {
    const days = await secretary.api(`/api/orgs/${branch}/minutes-policy`, { method: 'PUT', body: { objection_days: 0 } });
    assert.ok(days.status < 300, JSON.stringify(days.json));
    await recorder.page.goto(recorder.address(`/archive/${session}/minutes`));
    await has(recorder, 'minutes-paper');
    await shots(recorder, 'minutes-draft');
    const draft = await text(recorder, 'minutes-paper');
    for (const part of ['二楼会议室', '周建华', '林晓敏', APPLICANT, '孙国平']) assert.ok(draft.includes(part), `${part} in ${draft}`);
    await recorder.page.click('minutes-edit');
    const field = recorder.page.raw.getByTestId('minutes-documents').locator('textarea').first();
    await field.fill('《关于加强党支部标准化规范化建设的通知》（清街党〔2026〕15号）');
    await recorder.page.click('minutes-save');
    await recorder.page.click('minutes-submit');
    const sign = async (person) => {
      await person.page.fill('sign-name', person.name);
      await person.page.fill('sign-password', person.account.password);
      await person.page.click('sign-now');
    };
    await shots(recorder, 'minutes-sign');
    await sign(recorder);
    const state = (person, wanted) =>
      person.page.until((one) => document.querySelector('[data-testid="minutes-page"]')?.dataset.state === one, wanted);
    await state(recorder, 'recorder_submitted');
    await secretary.page.goto(secretary.address(`/archive/${session}/minutes`));
    await secretary.page.click('minutes-confirm');
    await sign(secretary);
    await state(secretary, 'chair_confirmed');
    await secretary.page.click('minutes-seal');
    await state(secretary, 'sealed');
    await has(secretary, 'minutes-seal-hash');
    await shots(secretary, 'minutes-sealed');
  });

  test('what is taken away holds: PDF, Word, and a journal that verifies offline', async () => {
    for (const [kind, head] of [['pdf', '%PDF'], ['docx', 'PK']]) {
      const begins = await secretary.page.evaluate(async (url) => {
        const answer = await fetch(url);
        const bytes = new Uint8Array(await answer.arrayBuffer());
        return [answer.status, String.fromCharCode(...bytes.slice(0, 4)), bytes.length];
      }, `/api/archive/${session}/minutes.${kind}`);
      assert.equal(begins[0], 200);
      assert.ok(begins[1].startsWith(head) && begins[2] > 2_000, String(begins));
    }
    const journal = await secretary.page.evaluate(async (url) => (await fetch(url)).text(), `/api/archive/${session}/journal.jsonl`);
    const file = path.join(OUT, 'journal.jsonl');
    await writeFile(file, journal);
    await verb(['journal', 'verify', file]);
    // No name of how anybody voted in secret, and one changed byte is found.
    const bad = journal.replace('"issued":6', '"issued":5');
    assert.ok(bad !== journal, 'the journal says that six papers were given out');
    await writeFile(file, bad);
    const { code } = await verb(['journal', 'verify', file], { okCodes: [1, 2] });
    assert.notEqual(code, 0);
  });
});
