"""A round trip with Python's imaplib: PORT USER PASSWORD; prints `done`."""
import email, imaplib, re, select, sys, time

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def well(answer):
    assert answer[0] == 'OK', answer
    return answer[1]


def session():
    m = imaplib.IMAP4('127.0.0.1', port)
    well(m.login(user, password))
    m.capabilities = tuple(well(m.capability())[-1].decode().upper().split())
    return m


m = session()
assert 'IMAP4REV1' in m.capabilities, m.capabilities
well(m.create('Work'))
well(m.subscribe('Work'))
assert any(line.endswith(b'Work') for line in well(m.lsub())), 'LSUB'
assert any(b'\\Sent' in line for line in well(m.list())), 'LIST with SPECIAL-USE'
texts = [f'From: a{n}@example.net\r\nTo: alice@example.test\r\nSubject: letter {n}\r\n'
         f'Date: Thu, {n + 1} Jan 2026 10:00:00 +0000\r\nMessage-ID: <m{n}@example.net>\r\n'
         + (f'In-Reply-To: <m0@example.net>\r\nReferences: <m0@example.net>\r\n' if n in (1, 2) else '')
         + f'\r\nBody number {n}, umlaut \xe4.\r\n' for n in range(5)]
texts = [text.encode('utf-8') for text in texts]
for n, text in enumerate(texts):
    well(m.append('Work', '(\\Seen)' if n == 0 else None, imaplib.Time2Internaldate(1767225600 + n), text))
assert well(m.select('Work')) == [b'5']
for n, text in enumerate(texts):
    assert well(m.fetch(str(n + 1), '(BODY.PEEK[])'))[0][1] == text, n
part = well(m.fetch('2', '(FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])'))
assert part[0][1] == b'Subject: letter 1\r\n\r\n', part
assert re.search(rb'RFC822.SIZE %d\b' % len(texts[1]), b' '.join(p if isinstance(p, bytes) else p[0] for p in part)), part
assert well(m.search(None, 'SUBJECT', '"letter 3"')) == [b'4']
assert well(m.search(None, 'UNSEEN')) == [b'2 3 4 5']
m.literal = 'umlaut ä'.encode()
assert well(m.search('UTF-8', 'TEXT')) == [b'1 2 3 4 5']
if 'SORT' in m.capabilities:
    assert well(m.sort('(REVERSE DATE)', 'UTF-8', 'ALL')) == [b'5 4 3 2 1']
if 'THREAD=REFERENCES' in m.capabilities:
    assert well(m.thread('REFERENCES', 'UTF-8', 'ALL'))[0].startswith(b'(1 (2)(3))'), m.thread('REFERENCES', 'UTF-8', 'ALL')
assert b'\\Flagged' in well(m.store('1:2', '+FLAGS', '(\\Flagged $Work)'))[0]
well(m.copy('1', 'Archive'))
if 'MOVE' in m.capabilities:
    uid = well(m.fetch('2', '(UID)'))[0].split(b'UID ')[1].rstrip(b')').decode()
    well(m.uid('MOVE', uid, 'Archive'))
well(m.store('1', '+FLAGS.SILENT', '(\\Deleted)'))
well(m.expunge())
assert well(m.search(None, 'ALL'))[-1] == b'1 2 3', m.search(None, 'ALL')
assert well(m.status('Archive', '(MESSAGES UNSEEN)'))[0].endswith(b'(MESSAGES 2 UNSEEN 1)')
assert well(m.select('Archive', readonly=True)) == [b'2']
assert {email.message_from_bytes(well(m.fetch(str(n), '(RFC822)'))[0][1])['subject'] for n in (1, 2)} == {'letter 0', 'letter 1'}
well(m.select('Work'))
# IDLE, by hand as this imaplib knows none.
m.send(b'x1 IDLE\r\n')
while not m.readline().startswith(b'+'):
    pass
other = session()
well(other.append('Work', None, None, texts[4]))
seen = m.readline()
while b'EXISTS' not in seen:
    seen = m.readline()
assert seen.split()[1] == b'4', seen
m.send(b'DONE\r\n')
while not m.readline().startswith(b'x1 OK'):
    pass
well(other.rename('Work', 'Play'))
well(other.delete('Play'))
assert not any(line.endswith(b'Play') for line in well(other.list()))
other.logout()
m.shutdown()
print('done')
