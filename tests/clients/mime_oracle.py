"""What Python's email package says of messages: FILE... ; `corpus` alone prints where Python keeps its own.

A line for each leaf: file, section, type, encoding, octets in hexadecimal; `file\tdefect` for a message that it
finds fault with."""
import email, os, sys

if sys.argv[1:] == ['corpus']:
    import test.test_email as tests
    print(os.path.join(os.path.dirname(tests.__file__), 'data'))
    sys.exit()


def leaves(part, path):
    # What get_payload() would decode is wanted as it is.
    kind, inside = part.get_content_type(), part._payload
    if part.get_content_maintype() == 'multipart' and part.is_multipart():
        for number, one in enumerate(inside, 1):
            yield from leaves(one, path + [number])
    elif kind == 'message/rfc822' and part.is_multipart():
        whole = path or [1]
        inner = inside[0]
        if inner.get_content_maintype() == 'multipart' and inner.is_multipart():
            yield from leaves(inner, whole)
        else:
            yield from leaves(inner, whole + [1])
    elif isinstance(inside, str):
        octets = inside.encode('ascii', 'surrogateescape')
        yield path or [1], kind, part.get('content-transfer-encoding', '7bit'), octets


ENCODINGS = '7bit', '8bit', 'binary', 'base64', 'quoted-printable'


def fault(message):
    for part in message.walk():
        kind = part.get_content_type()
        named = str(part.get('content-type', 'text/plain')).split(';')[0].strip().lower()
        if str(part.get('content-transfer-encoding', '7bit')).strip().lower() not in ENCODINGS:
            return True
        # An unknown kind of message, or a type that was none and counts as another.
        if part.defects or named != kind or kind.startswith('message/') and kind != 'message/rfc822':
            return True
    return False


for file in sys.argv[1:]:
    octets = open(file, 'rb').read().replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
    message = email.message_from_bytes(octets)
    if fault(message):
        print(file, 'defect', sep='\t')
        continue
    for path, kind, encoding, inside in leaves(message, []):
        print(file, '.'.join(map(str, path)), kind, str(encoding).strip().lower(), inside.hex(), sep='\t')
