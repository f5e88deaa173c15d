"""Erlang's external term format, as much as the protocol sends (SPEC C-2): tuples, lists, binaries, integers, atoms."""

import struct

VERSION = 131


class Atom(str):
    """An atom; text is `bytes`, as Erlang's binaries are."""

    def __repr__(self):
        return str(self)


def encode(term):
    return bytes([VERSION]) + _encode(term)


def _encode(term):
    if isinstance(term, Atom):
        text = term.encode()
        return bytes([119, len(text)]) + text
    if isinstance(term, bytes):
        return b"m" + struct.pack(">I", len(term)) + term
    if isinstance(term, int):
        return _encode_integer(term)
    if isinstance(term, tuple):
        return bytes([104, len(term)]) + b"".join(map(_encode, term))
    if isinstance(term, list):
        return b"l" + struct.pack(">I", len(term)) + b"".join(map(_encode, term)) + b"j" if term else b"j"
    raise TypeError(f"not a term: {term!r}")


def _encode_integer(value):
    if 0 <= value < 256:
        return bytes([97, value])
    if -(2**31) <= value < 2**31:
        return b"b" + struct.pack(">i", value)
    size = abs(value)
    digits = size.to_bytes((size.bit_length() + 7) // 8, "little")
    return bytes([110, len(digits), value < 0]) + digits


def decode(data):
    """The one term in `data`; an error when anything follows it (SPEC C-1)."""
    if data[:1] != bytes([VERSION]):
        raise ValueError("no version byte")
    term, at = _decode(data, 1)
    if at != len(data):
        raise ValueError("bytes after the term")
    return term


def _decode(data, at):
    tag, at = data[at], at + 1
    if tag in (119, 118):  # SMALL_ATOM_UTF8, ATOM_UTF8
        text, at = _sized(data, at, 1 if tag == 119 else 2)
        return Atom(text.decode()), at
    if tag == 97:
        return data[at], at + 1
    if tag == 98:
        return struct.unpack_from(">i", data, at)[0], at + 4
    if tag == 110:
        size, negative, at = data[at], data[at + 1], at + 2
        value = int.from_bytes(data[at : at + size], "little")
        return -value if negative else value, at + size
    if tag == 109:
        return _sized(data, at, 4)
    if tag == 107:  # STRING: a list of small integers
        text, at = _sized(data, at, 2)
        return list(text), at
    if tag == 106:
        return [], at
    if tag == 108:
        items, at = _items(data, at + 4, struct.unpack_from(">I", data, at)[0])
        tail, at = _decode(data, at)
        if tail != []:
            raise ValueError("an improper list")
        return items, at
    if tag == 104:
        items, at = _items(data, at + 1, data[at])
        return tuple(items), at
    raise ValueError(f"tag {tag} is none that the server sends")


def _items(data, at, count):
    items = []
    for _ in range(count):
        item, at = _decode(data, at)
        items.append(item)
    return items, at


def _sized(data, at, width):
    size, at = int.from_bytes(data[at : at + width], "big"), at + width
    if at + size > len(data):
        raise ValueError("cut off")
    return data[at : at + size], at + size
