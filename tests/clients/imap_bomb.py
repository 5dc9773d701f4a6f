"""Compressed commands (RFC 4978): PORT USER PASSWORD. A bomb in them meets the limits of a line; prints `done`."""
import socket, sys, zlib

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def session():
    s = socket.create_connection(('127.0.0.1', port), timeout=60)
    read(s)
    s.sendall(f'a LOGIN {user} "{password}"\r\n'.encode())
    while not (line := read(s)).startswith(b'a OK'):
        assert not line.startswith(b'a '), line
    s.sendall(b'b COMPRESS DEFLATE\r\n')
    line = read(s)
    assert line.startswith(b'b OK'), line
    return s


def read(s):
    line = b''
    while not line.endswith(b'\r\n'):
        one = s.recv(1)
        assert one, 'the end'
        line += one
    return line


def packer():
    return zlib.compressobj(9, zlib.DEFLATED, -15)


# A plain round.
s, pack, unpack = session(), packer(), zlib.decompressobj(-15)
s.sendall(pack.compress(b'c SELECT INBOX\r\nd FETCH 1:* (FLAGS)\r\ne NOOP\r\n') + pack.flush(zlib.Z_SYNC_FLUSH))
said = b''
while b'e OK' not in said:
    octets = s.recv(65536)
    assert octets, said
    said += unpack.decompress(octets)
assert b'c OK' in said, said
s.close()

# A gigabyte of one letter in a megabyte.
s, pack, unpack = session(), packer(), zlib.decompressobj(-15)
said = b''
try:
    s.sendall(pack.compress(b'c NOOP '))
    for _ in range(1024):
        s.sendall(pack.compress(b'x' * (1 << 20)))
    s.sendall(pack.compress(b'\r\nd NOOP\r\n') + pack.flush(zlib.Z_SYNC_FLUSH))
    while octets := s.recv(65536):
        said += unpack.decompress(octets)
        if b'd OK' in said:
            break
except (BrokenPipeError, ConnectionResetError):
    pass
assert b'BAD' in said or b'BYE' in said or not said, said[:200]
s.close()

# What is no deflate at all.
s = session()
s.sendall(b'\xff' * 1000)
while s.recv(65536):
    pass
print('done')
