// A round trip with imapflow: MODULES PORT USER PASSWORD; prints `done`.
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
const [folder, port, user, pass] = process.argv.slice(2);
const { ImapFlow } = createRequire(folder + '/')('imapflow');

const open = async more => {
    const client = new ImapFlow({
        host: '127.0.0.1', port: Number(port), secure: false, doSTARTTLS: false, auth: { user, pass }, logger: false,
        tls: { rejectUnauthorized: false }, ...more
    });
    client.on('error', error => { throw error; });
    await client.connect();
    return client;
};
const until = async (what, seen) => {
    for (let n = 0; n < 600; n++) {
        if (await seen()) return;
        await new Promise(done => setTimeout(done, 50));
    }
    throw new Error('waited in vain for ' + what);
};
const letter = n => Buffer.from(`From: a@example.net\r\nTo: alice@example.test\r\nSubject: =?utf-8?q?Br=C3=BCcke?= ${n}\r\n` +
    `Message-ID: <f${n}@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n` +
    `Content-Type: text/plain; charset=utf-8\r\n\r\nText ${n}\r\n--b\r\nContent-Type: application/octet-stream; name=x.bin\r\n` +
    'Content-Transfer-Encoding: base64\r\n\r\nAAECAwQF\r\n--b--\r\n');

const one = await open({ qresync: true });
await one.mailboxCreate('Flow');
const list = await one.list({ statusQuery: { messages: true, uidNext: true } });
assert(list.some(box => box.path === 'INBOX') && list.some(box => box.path === 'Flow'));
assert(list.some(box => box.specialUse === '\\Sent'));
for (let n = 1; n <= 4; n++) {
    const answer = await one.append('Flow', letter(n), n === 1 ? ['\\Seen', 'Blue'] : [], new Date(1767225600000));
    assert(answer && answer.destination === 'Flow');
}
const box = await one.mailboxOpen('Flow');
assert.equal(box.exists, 4);
const all = await one.fetchAll('1:*', { uid: true, flags: true, envelope: true, bodyStructure: true, size: true, source: true, internalDate: true });
all.forEach((message, at) => {
    assert.deepEqual(message.source, letter(at + 1));
    assert.equal(message.envelope.subject, `Brücke ${at + 1}`);
    assert.equal(message.bodyStructure.childNodes.length, 2);
    assert.equal(message.size, letter(at + 1).length);
    assert.equal(message.internalDate.getTime(), 1767225600000);
});
assert(all[0].flags.has('\\Seen') && all[0].flags.has('Blue'));
const part = await one.download('2', '2');
const octets = [];
for await (const chunk of part.content) octets.push(chunk);
assert.deepEqual(Buffer.concat(octets), Buffer.from([0, 1, 2, 3, 4, 5]));
assert.deepEqual(await one.search({ subject: 'brücke 3' }), [3]);
assert.deepEqual(await one.search({ seen: false, or: [{ header: { 'message-id': '<f2@example.net>' } }, { body: 'Text 4' }] }), [2, 4]);
assert.equal((await one.status('Flow', { messages: true, unseen: true })).unseen, 3);

// Another client's changes reach this one while it idles.
let exists = 0, expunged = [], flagged = [];
one.on('exists', data => { exists = data.count; });
one.on('expunge', data => { expunged.push(data); });
one.on('flags', data => { flagged.push(data); });
const idling = one.idle();
const two = await open();
await two.append('Flow', letter(5));
await until('EXISTS', () => exists === 5);
await two.mailboxOpen('Flow');
await two.messageFlagsAdd('3', ['\\Flagged']);
await until('FETCH', () => flagged.some(data => data.flags.has('\\Flagged')));
const moved = await two.messageMove('1', 'Archive');
assert(moved && moved.destination === 'Archive');
await until('EXPUNGE', () => expunged.length === 1);
await two.messageDelete('4');
await until('EXPUNGE', () => expunged.length === 2);
await one.noop();
await idling;
assert.equal(one.mailbox.exists, 3);
const state = { validity: one.mailbox.uidValidity, modseq: one.mailbox.highestModseq };
await one.logout();

// Offline resync: what changed meanwhile comes with SELECT.
await two.messageFlagsAdd('1', ['\\Answered']);
await two.messageDelete('2');
const back = await open({ qresync: true });
const vanished = [];
back.on('expunge', data => vanished.push(data));
await back.mailboxOpen('Flow', { uidValidity: state.validity, changedSince: state.modseq });
assert.equal(back.mailbox.exists, 2);
const changed = await back.fetchAll('1:*', { uid: true, flags: true }, { changedSince: state.modseq });
if (back.capabilities.has('CONDSTORE') || back.enabled.has('CONDSTORE')) assert.equal(changed.length, 1);
assert(changed[0].flags.has('\\Answered'));
await back.mailboxClose();
await back.mailboxRename('Flow', 'River');
await back.mailboxDelete('River');
if (back.capabilities.has('QUOTA')) await back.getQuota('INBOX');
await back.logout();
await two.logout();
console.log('done');
