"""The mailboxes by websocket-client against a fresh server, in text (trace T-8) and in records: `mail.py PORT`."""

import sys

import websocket

import etf
from etf import Atom

WAIT_S = 10
HELP = "AUTH <user>\n| SEND <user> <msg>\n| BOX\n| CUT <id>."


class Terminal:
    def __init__(self, port):
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}/ws", timeout=WAIT_S)

    def asks(self, text, *answers):
        self.socket.send(text)
        for answer in answers:
            self.hears(answer)

    def hears(self, answer):
        heard = self.socket.recv()
        assert heard == answer, (heard, answer)

    def says(self, record):
        self.socket.send_binary(etf.encode(record))

    def record(self):
        heard = self.socket.recv()
        assert isinstance(heard, bytes), heard
        return etf.decode(heard)

    def close(self):
        self.socket.close()


def to(user):
    return (Atom("Adr"), [], (Atom("p2p"), (Atom("P2P"), user)))


def trace_8(port):
    m = Terminal(port)
    m.asks("HELP", HELP)
    m.asks("AUTH b", "USER b")
    m.asks("SEND r HELO", "ERROR user doesn't exist.")
    m.asks("AUTH r", "USER r")
    m.asks("SEND b OK")
    notify = m.socket.recv()
    begin, number, text = notify[: len("NOTIFY r:b:")], notify[len("NOTIFY r:b:") : -3], notify[-3:]
    assert (begin, text) == ("NOTIFY r:b:", ":OK") and len(number) == 19 and number.isdecimal(), notify
    m.hears(f'ACK "{number}"')
    m.asks("AUTH b", "USER b")
    m.asks("BOX", f"LIST\nr:b:{number}:OK")
    m.asks(f"CUT {number}", "ERASED 1")
    m.asks("BOX", "LIST\n")
    m.asks("PING", "PONG")
    m.close()


def records(port):
    m, n = Terminal(port), Terminal(port)
    m.says((Atom("N2O"), b"pa"))
    assert m.record() == (Atom("Ack"), b"pa")
    # Char lists, as Erlang's "qa" is.
    n.says((Atom("N2O"), list(b"qa")))
    assert n.record() == (Atom("Ack"), b"qa")
    letter = (Atom("Pub"), b"k1", to(b"qa"), b"tag", bytes(range(256)))
    for _ in range(2):
        m.says(letter)
        assert m.record() == (Atom("Ack"), b"k1")
    source = (Atom("Adr"), b"pa", (Atom("p2p"), (Atom("P2P"), b"qa")))
    assert n.record() == (Atom("Pub"), b"k1", source, b"tag", bytes(range(256)))
    n.says((Atom("Cut"), b"k1"))
    assert n.record() == (Atom("Ack"), b"k1")
    n.says((Atom("Cut"), b"k1"))
    assert n.record() == (Atom("Nak"), b"k1")
    n.asks("BOX", "LIST\n")
    m.close()
    n.close()


def several(port):
    """What many are sent at once arrives whole and in order."""
    m, n = Terminal(port), Terminal(port)
    m.asks("AUTH left", "USER left")
    n.asks("AUTH right", "USER right")
    for number in range(200):
        m.socket.send(f"SEND right {number}")
    acks = [m.socket.recv() for _ in range(200)]
    heard = [n.socket.recv() for _ in range(200)]
    ids = [ack.split('"')[1] for ack in acks]
    assert ids == sorted(set(ids)), ids
    assert heard == [f"NOTIFY left:right:{id}:{number}" for number, id in enumerate(ids)], heard
    m.close()
    n.asks("BOX", "LIST\n" + "\n".join(line.removeprefix("NOTIFY ") for line in heard))
    n.asks(f"CUT {ids[-1]}", "ERASED 200")
    n.close()


for play in (trace_8, records, several):
    play(int(sys.argv[1]))
