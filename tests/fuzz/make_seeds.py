#!/usr/bin/env python3
"""Writes the inputs that fuzzing begins with: make_seeds.py FOLDER makes FOLDER/NAME/* for each target.

Each is a short story in the language of its target (see the target's own file), named for what happens in it.
"""
import pathlib
import struct
import sys

KEY = b'\x37\xfa\x21\x3d'


def frame(opcode, payload=b'', fin=True, key=KEY, reserved=0):
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack('>H', size)
    else:
        head += bytes([0x80 | 127]) + struct.pack('>Q', size)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def text(data):
    """Input::text."""
    data = data.encode() if isinstance(data, str) else data
    return (bytes([len(data)]) if len(data) < 255 else b'\xff' + struct.pack('>H', len(data))) + data


def decoder():
    close = struct.pack('>H', 1000) + b'bye'
    streams = {
        'text': frame(1, 'grüße €'.encode()),
        'empty': frame(1) + frame(2) + frame(9) + frame(10),
        'fragments': frame(1, b'ab\xe2', False) + frame(9, b'hi') + frame(0, b'\x82', False) + frame(0, b'\xac'),
        'binary': frame(2, b'\0\0\0\1payload') + frame(2, b'\0\0\0\2' + bytes(20)),
        'binary_in_parts': frame(2, b'\0\0', False) + frame(0, b'\0\1ab', False) + frame(0, bytes(30)),
        'lengths': frame(1, b'a' * 125) + frame(1, b'b' * 126) + frame(1, b'c' * 300),
        'close': frame(8, close),
        'close_with_nothing': frame(8),
        'close_with_one_byte': frame(8, b'x'),
        'close_code_reserved': frame(8, struct.pack('>H', 1005)),
        'bad_utf8': frame(1, b'\xed\xa0\x80'),
        'bad_utf8_late': frame(1, b'ok\xf4', False) + frame(0, b'\x90\x80\x80'),
        'reserved_bit': frame(1, b'a', reserved=4),
        'reserved_opcode': frame(3, b'a'),
        'continuation_of_nothing': frame(0, b'a'),
        'text_inside_text': frame(1, b'a', False) + frame(1, b'b'),
        'unmasked': b'\x81\x01a',
        'fragmented_ping': frame(9, b'a', False),
        'long_length': b'\x82\xff' + struct.pack('>Q', 1 << 40) + KEY + b'abc',
        'length_not_shortest': b'\x81\xfe\0\x01' + KEY + b'a',
        'huge_length': b'\x82\xff' + b'\xff' * 8 + KEY,
    }
    for name, stream in streams.items():
        for how, seed in ((0, 1), (0x12, 7), (0x1e, 200)):
            yield f'{name}_{how:02x}', bytes([how, seed]) + stream
    built = bytes([0x81, 0]) + text('ab') + bytes([9, 0]) + text('hi') + bytes([0, 2]) + text('c') + \
        bytes([2, 0]) + text(b'\0\0\0\1' + bytes(30)) + bytes([8, 0]) + text(close)
    yield 'built', bytes([0x13, 5]) + built
    yield 'built_oversized', bytes([0x0d, 5]) + bytes([1, 0]) + text('too long for five')


def upgrade_request():
    base = ('GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n'
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n')

    def request(target='/ws', host='localhost', more='', then=''):
        return base.format(target=target, host=host, more=more) + then

    requests = {
        'plain': request(),
        'query': request('/ws?token=a%20b%2B&last_seq=9007199254740991&session=0-1-x&a'),
        'query_odd': request('/ws?%=%zz&&=&last_seq=&token=%00%ff'),
        'last_seq_too_large': request('/ws?last_seq=9007199254740992'),
        'bearer': request(more='Authorization: bearer  abc\r\n'),
        'cookies': request(more='Cookie: a=1; token=2;b\r\nCookie: a=3\r\n'),
        'protocols': request(more='Sec-WebSocket-Protocol: a, b,,c d, e\r\nSec-WebSocket-Protocol: f\r\n'),
        'origin_same': request(host='localhost:8080', more='Origin: http://localhost:8080\r\n'),
        'origin_other': request(more='Origin: https://evil.example.com/\r\n'),
        'origin_listed': request(more='Origin: HTTPS://App.Example.com:443\r\n'),
        'origin_v6': request(host='[::1]:80', more='Origin: http://[::1]\r\n'),
        'origin_null': request(more='Origin: null\r\n'),
        'absolute': request('http://other:90/ws?token=1'),
        'frames_behind': request(then='\x81\x80abcd'),
        'body': request(more='Content-Length: 3\r\n', then='abc\x81'),
        'body_too_large': request(more='Content-Length: 99999999\r\n'),
        'chunked': request(more='Transfer-Encoding: chunked\r\n', then='1\r\na\r\n0\r\n\r\n'),
        'two_hosts': request(more='Host: b\r\n'),
        'bad_host': request(host='a b'),
        'folded': request(more='X: a\r\n b\r\n'),
        'many_headers': request(more='X: 1\r\n' * 101),
        'http10': 'GET /ws HTTP/1.0\r\n\r\n',
        'post': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx',
        'malformed': 'GET /ws\r\n\r\n',
        'bare_newlines': 'GET / HTTP/1.1\nHost: a\n\n',
    }
    for name, one in requests.items():
        for how in (0, 3):
            yield f'{name}_{how}', bytes([how, 7]) + one.encode('latin-1')


# The language of World::act; a byte that follows each says whether the server runs then.
CONNECT, RESUME, REQUEST, TEXT, BINARY, CUT, ADVANCE, READ, FRAME, RAW, CLOSE, KNOCK, PIECES, UNNOTICED, SILENT = range(15)
ANN, BEN, ANYONE = 0, 1, 2
STATEFUL, OTHER_SHARD, NARROW = 8, 16, 32
SUBSCRIBE, UNSUBSCRIBE, PUBLISH, PRESENCE = range(4)
RED, GREEN, BLUE, SLOW, SECRET = (number << 2 for number in range(5))
WATCH, WITH_ID = 0x40, 0x80
SECOND, MINUTE, LONG = 2, 6, 7


def story(*acts):
    """Each act is followed by a run of the server."""
    return b''.join(bytes(act) + b'\1' if isinstance(act, tuple) else act + b'\1' for act in acts)


def say(client, message):
    return bytes([TEXT, client]) + text(message)


def clients_two():
    return (CONNECT, ANN | STATEFUL), (CONNECT, BEN | OTHER_SHARD), (REQUEST, 0, SUBSCRIBE | RED | WATCH), \
        (REQUEST, 1, SUBSCRIBE | RED)


def hub_input():
    yield 'publish', b'\1' + story(*clients_two(), (REQUEST, 1, PUBLISH | RED | WITH_ID), (REQUEST, 0, PUBLISH | RED))
    yield 'cut_and_resume', b'\1' + story(*clients_two(), (CUT, 0), (REQUEST, 1, PUBLISH | RED), (RESUME, 0, 0),
                                         (REQUEST, 1, PUBLISH | RED), (ADVANCE, SECOND))
    yield 'take_over_on_other_shard', b'\1' + story(*clients_two(), (REQUEST, 1, PUBLISH | RED), (RESUME, 0, 0x21))
    yield 'resume_as_someone_else', b'\0' + story(*clients_two(), (CUT, 0), (RESUME, 0, 0x10))
    yield 'expire', b'\1' + story(*clients_two(), (CUT, 0), (ADVANCE, LONG), (RESUME, 0, 0))
    for policy in range(3):
        slow = story(*clients_two(), (READ, 0, 0), *[(REQUEST, 1, PUBLISH | RED | 0xe0)] * 8, (READ, 0, 255),
                     (ADVANCE, MINUTE), (RESUME, 0, 0))
        yield f'slow_reader_{policy}', bytes([1 | policy << 1]) + slow
    yield 'handlers', b'\1' + story(*clients_two(), *[say(0, one) for one in (
        '{"sleep":100,"send":1}', '{"binary":"abc"}', '{"join":"green"}', '{"who":"red"}', '{"leave":"green"}',
        '{"reject":"app.no","id":7}', '{"count":1,"id":"x"}', '{"close":1000}')])
    yield 'json_mistakes', b'\0' + story(*clients_two(), *[say(0, one) for one in (
        '{', '[]', '{"action":"subscribe"}', '{"action":"subscribe","channel":1}', '{"action":"fly"}',
        '{"action":"subscribe","channel":"a\\u0000b"}', '{"action":"publish","channel":"red","data":1e400,"id":[]}',
        '{"action":"publish","channel":"red","data":12345678901234567890123,"id":"1"}', '[' * 70,
        '{"action":"publish","channel":"red","data":"\\ud800"}', '{"type":"pong","seq":1}', '{"type":"ping"}')])
    yield 'binary', b'\0' + story(*clients_two(), bytes([BINARY, 0, 1]) + text('short'), bytes([BINARY, 0, 1]) +
                                 text(b'x' * 30), bytes([BINARY, 0, 2]) + text('all'), bytes([BINARY, 0, 3]) +
                                 text(''), bytes([BINARY, 0, 4]) + text('late'), bytes([BINARY, 0, 9]) + text(''),
                                 (ADVANCE, SECOND), bytes([FRAME, 0, 2, 0]) + text('ab'))
    yield 'fragments', b'\0' + story(*clients_two(), bytes([PIECES, 7]), bytes([FRAME, 0, 0x81, 0]) +
                                    text('{"action":"publish",'), bytes([FRAME, 0, 9, 0]) + text('hi'),
                                    bytes([FRAME, 0, 0, 0]) + text('"channel":"red","data":1}'))
    yield 'closes', b'\1' + story(*clients_two(), bytes([CLOSE, 0]) + struct.pack('>H', 1000), bytes([CLOSE, 0]) +
                                 struct.pack('>H', 1005))
    yield 'heartbeat', b'\1' + story(*clients_two(), (SILENT, 0, 0), (ADVANCE, MINUTE), (ADVANCE, MINUTE),
                                    (RESUME, 0, 0), (ADVANCE, LONG))
    yield 'slow_handler_cut', b'\0' + story(*clients_two(), (REQUEST, 0, SUBSCRIBE | SLOW), (REQUEST, 0, PUBLISH | RED),
                                           (CUT, 0), (ADVANCE, SECOND), (RESUME, 0, 0), (UNNOTICED, 0),
                                           (REQUEST, 1, PUBLISH | RED))
    yield 'app', b'\1' + story(*clients_two(), (15, 0, 9), (16, 0), (17, 0x10), (18, 1), (15, 0x10, 200), (19, 0))
    yield 'knock', b'\0' + story(bytes([KNOCK]) + text('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'),
                                bytes([KNOCK]) + text('GET /ws?token=ann HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n'
                                                      'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
                                                      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'.encode() +
                                                      frame(1, b'{"action":"subscribe","channel":"red"}')))
    yield 'many_sessions', b'\1' + story(*[(CONNECT, ANN | STATEFUL)] * 5, *[(CUT, 0)] * 5, (RESUME, 0, 0),
                                        (RESUME, 4, 0), (ADVANCE, LONG))
    yield 'presence', b'\1' + story(*clients_two(), (REQUEST, 1, UNSUBSCRIBE | RED), (REQUEST, 1, SUBSCRIBE | RED | WATCH),
                                   (REQUEST, 0, PRESENCE | RED), (CUT, 1), (ADVANCE, 4), (REQUEST, 0, PRESENCE | GREEN))


def server_handle():
    def call(kind, target, *more):
        target = bytes([target]) if isinstance(target, int) else b'\x20' + text(target)
        return bytes([6, kind]) + target + b''.join(more)
    red, ann = 0, 8
    carry_out = (5, 0)
    yield 'publish', b'\0' + story(call(0, red, text('{"a":[1,2.50]}')), call(1, red, text('{"b":"ü"}')), carry_out,
                                  call(2, red, b'\0\0\0\7', text(b'\0\1\2')), carry_out)
    yield 'users', b'\0' + story(call(3, ann, text('{"to":"ann"}')), call(5, ann, bytes([red])), carry_out,
                                call(4, ann, b'\x0f\xa3'), carry_out)
    yield 'close_codes', b'\0' + story(call(4, ann, b'\3\xed'), carry_out, call(4, 9, b'\0\0'), carry_out,
                                      call(4, 9, b'\x13\x88'), carry_out)
    yield 'bad_names', b'\0' + story(call(0, 'a\nb', text('1')), call(0, b'\xff', text('1')), call(0, 'x' * 201, text('1')),
                                    call(3, b'\xff\xfe', text('{"a":1}')), call(5, ann, b'\x20', text(b'\xc0')), carry_out)
    yield 'bad_json', b'\0' + story(*[call(0, red, text(one)) for one in
                                     ('', '{', '1 2', '"\\ud800"', b'"\xff"', '[' * 70, '1e400', ' 1 ')], carry_out)
    for policy in range(3):
        yield f'slow_{policy}', bytes([policy]) + story((2, 0, 0), *[call(0, red, text('"' + 'x' * 240 + '"'))] * 7,
                                                        carry_out, (2, 0, 255), (4, 6), (1, 0, 0))
    yield 'parked', b'\0' + story((3, 0), call(0, red, text('1')), call(3, ann, text('{"n":1}')), carry_out, (1, 0, 0),
                                 call(4, ann, b'\x0f\xa3'), carry_out, (0, 8), (4, 7))


def resp():
    accept, good, error, raw, push, lose, deliver, slowly, slots = range(9)
    subscribe, unsubscribe, publish, presence, tick, flush, go_on = range(9, 16)
    up = bytes([go_on] * 12)
    red = bytes([subscribe, 0])
    sent = bytes([publish, 0]) + text('hello')
    for mode, name in ((0, 'single'), (1, 'cluster'), (2, 'sentinel'), (3, 'two')):
        start = bytes([mode]) + up + bytes([tick, 0]) + up
        yield f'{name}_works', start + red + bytes([subscribe, 1]) + sent + bytes([tick, 0]) + up + \
            bytes([push, 1, 4 if mode == 1 else 0x10, 1]) + text('x') + bytes([push, 1, 0x10, 1]) + text('x') + up + \
            bytes([unsubscribe, 0, tick, 3]) + up
        yield f'{name}_lost', start + red + sent + up + bytes([lose, 0, lose, 1, tick, 3]) + up + sent + up
        yield f'{name}_presence', start + bytes([presence, 0, presence, 0x20, presence, 0x10, presence, 0x84, tick, 3]) + \
            up + bytes([tick, 4]) + up + bytes([lose, 0, presence, 0x94, tick, 3]) + up
        for number in range(12):
            if mode < 2:
                yield f'{name}_refused_{number}', start + red + sent + bytes([presence, 0, tick, 0, error, 0, number, error,
                                                                              1, number, deliver, 0, 9, deliver, 1, 9]) + up
    for name, bytes_said in (('nonsense', b'HTTP/1.1 400\r\n'), ('nested', b'*1\r\n' * 9), ('empty_array', b'*0\r\n'),
                             ('negative', b'*-1\r\n$-1\r\n'), ('bulk_too_long', b'$999999999\r\nab'),
                             ('resp3', b'%1\r\n+a\r\n:1\r\n>2\r\n+b\r\n_\r\n#t\r\n,1.5\r\n'),
                             ('message_without_payload', b'*2\r\n$7\r\nmessage\r\n$5\r\np:red\r\n'),
                             ('confirmation', b'*3\r\n$9\r\nsubscribe\r\n$5\r\np:red\r\n:1\r\n'),
                             ('sunsubscribe', b'*3\r\n$12\r\nsunsubscribe\r\n$5\r\np:red\r\n:0\r\n')):
        for wire in (0, 1):
            yield f'{name}_{wire}', b'\0' + up + red + up + bytes([raw, wire]) + text(bytes_said) + \
                bytes([deliver, wire, 1, deliver, wire, 40]) + up
    yield 'refused_connections', b'\0' + bytes([accept, 0x80, accept, 0x81, tick, 3, accept, 0x80]) + red + sent + up
    yield 'slots_move', b'\1' + up + bytes([tick, 0]) + up + red + bytes([subscribe, 2]) + sent + up + \
        bytes([slots, 0, 0, 9, tick, 4]) + up + bytes([error, 0, 0]) + up + bytes([tick, 4]) + up
    yield 'small_writes', b'\0' + up + bytes([slowly, 0, 1, slowly, 1, 0]) + red + sent + bytes([tick, 0]) + up


def envelope():
    node0, ann_channel, red = 5, 2, 0
    raw, one, hand, snap, again, ask, losing, network, marker = range(15, 24)

    def on(number, act):  # an act of a client takes a byte for the node after its choice
        return bytes([act[0], number]) + bytes(act[1:])
    ann = on(0, (CONNECT, ANN | STATEFUL)), on(0, (REQUEST, 0, SUBSCRIBE | RED | WATCH)), \
        on(1, (CONNECT, BEN | STATEFUL)), on(1, (REQUEST, 1, SUBSCRIBE | RED))

    def envelope_act(to, kind, counter, number=0, body=None, name=red):
        return bytes([one, to, kind - 1, 1, counter, counter, counter, number >> 8, number & 255, 1, name]) + \
            (b'\1' if body is None else b'\0' + text(body))
    yield 'messages', story(*ann, envelope_act(red, 1, 1), envelope_act(red, 2, 2, 7, b'\0\1'),
                            envelope_act(red, 3, 3, body='{}'), envelope_act(red, 4, 4), envelope_act(red, 1, 9),
                            envelope_act(ann_channel, 5, 1), envelope_act(ann_channel, 7, 2),
                            envelope_act(ann_channel, 6, 3, 4003))
    yield 'odd_bodies', story(*ann, envelope_act(red, 1, 1, body=''), envelope_act(red, 1, 2, body='['),
                              envelope_act(ann_channel, 5, 1, body=''), envelope_act(red, 2, 3, body=''),
                              envelope_act(ann_channel, 6, 2, 1005))
    yield 'move', story(*ann, on(0, (CUT, 0)), on(1, (RESUME, 0, 0)), bytes([ADVANCE, 1, SECOND]))
    yield 'move_losing', story(*ann, bytes([losing, 6]), on(1, (RESUME, 0, 0)), bytes([ADVANCE, 1, SECOND]),
                               bytes([losing, 3]), on(0, (RESUME, 0, 0)), bytes([ADVANCE, 0, 3]))

    def hand_over(step, *, answer=b'\0', more=b'\0\0\0\0\0'):
        return bytes([hand, node0, step - 1, 0, 0, 0]) + answer + more
    yield 'session_of_a_stranger', story(
        on(0, (CONNECT, ANN)), bytes([ask, ANN, 0]),
        bytes([hand, node0, 1, 0, 0, 1, red, 0, 1, 0, 0, 0]),
        bytes([snap, node0, 1, 1, 3, red, 0, 1, 1, 0, 2, 0x10, 0x50, 0]))
    offer = bytes([hand, node0, 1, 0, 0, 1, red, 0, 1, 0, 0, 0])
    yield 'session_of_a_stranger_busy', story(
        on(0, (CONNECT, ANN)), bytes([ask, ANN, 0]), offer, envelope_act(red, 1, 5), envelope_act(red, 2, 6, 7, b'x'),
        envelope_act(red, 3, 7, body='{}'), envelope_act(red, 1, 9), envelope_act(ann_channel, 5, 1),
        envelope_act(ann_channel, 7, 2), envelope_act(ann_channel, 6, 3, 4003),
        bytes([snap, node0, 1, 2, 3, red, 1, 4, 1, 0, ann_channel, 1, 0, 1, 1]) + text('id') + bytes([red, 4, 0x10, 5]) +
        text('abcdef') + bytes([0x42]) + text('') + bytes([0x10, 0]), bytes([ADVANCE, 0, SECOND]))
    yield 'stranger_takes', story(*ann, bytes([hand, node0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]),
                                  bytes([hand, node0, 2, 1, 9, 0, 0, 0, 1, red, 0, 1, 0, 0, 0]),
                                  bytes([marker, red, 1, 9]), bytes([marker, ann_channel, 1, 9]),
                                  bytes([ADVANCE, 0, SECOND]), bytes([hand, node0, 4, 1, 9, 0, 0, 0, 0, 0, 0]))
    yield 'repeats', story(*ann, on(0, (REQUEST, 0, PUBLISH | RED)), bytes([again, 0, 0, 0]), bytes([again, 1, 1, 7]),
                           bytes([again, 2, 40, 255]))
    yield 'away', story(*ann, bytes([network, 2]), on(1, (REQUEST, 1, PUBLISH | RED)), on(1, (RESUME, 0, 0)),
                        bytes([ADVANCE, 1, 3]), bytes([network, 0]))
    header = struct.pack('>BBQQQIH', 1, 8, 1, 0, 0, 0, 0)
    yield 'raw', story(*ann, bytes([raw, red]) + text(b''), bytes([raw, red]) + text(header),
                       bytes([raw, node0]) + text(header + b'\1\1' + bytes(8)))
    yield 'snapshot_bytes', struct.pack('>BQI', 1, 2, 0) + struct.pack('>I', 1) + struct.pack('>I', 3) + b'red' + \
        b'\1' + struct.pack('>II', 0, 0) + struct.pack('>II', 0, 0) + struct.pack('>IBQIII', 1, 0, 2, 0, 1, 2) + b'{}'
    yield 'session_name', b'000102030405060708090a0b0c0d0e0f-65535-node'


def main():
    folder = pathlib.Path(sys.argv[1])
    for target in (decoder, upgrade_request, hub_input, server_handle, resp, envelope):
        place = folder / target.__name__
        place.mkdir(parents=True, exist_ok=True)
        for name, seed in target():
            (place / name).write_bytes(seed)


if __name__ == '__main__':
    main()
