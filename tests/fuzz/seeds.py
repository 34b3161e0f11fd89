# SPDX-License-Identifier: MIT
"""Seeds that are no text: seeds.py TARGET FOLDER writes those of a fuzz target."""
import bz2
import gzip
import os
import struct
import sys

METHODS = ["lookup", "prefix", "page", "links", "backlinks", "rank", "top", "random", "related",
           "path", "export", "search", "explain"]
TITLES = ["Anchor", "ship", "Étoile", "Boat", "nothing such"]


def pack(value):
    """MessagePack, as much of it as seeds need."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        return struct.pack(">BI", 0xce, value) if value >= 0 else struct.pack(">Bq", 0xd3, value)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xcb, value)
    if isinstance(value, str):
        raw = value.encode()
        return (bytes([0xa0 | len(raw)]) if len(raw) < 32 else struct.pack(">BH", 0xda, len(raw))) + raw
    if isinstance(value, bytes):
        return struct.pack(">BB", 0xc4, len(value)) + value
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(map(pack, value))
    return bytes([0x80 | len(value)]) + b"".join(pack(k) + pack(v) for k, v in value.items())


def request():
    def of(method, params):
        return bytes([METHODS.index(method)]) + pack(params)

    for title in TITLES:
        for method in ("lookup", "page", "links", "backlinks", "rank"):
            yield of(method, [title])
    for prefix in ("", "a", "É", "bo"):
        yield of("prefix", {"prefix": prefix, "limit": 3})
    for form in ("text", "wikitext", "xml"):
        yield of("page", ["Ship", form])
    yield of("links", {"title": "Anchor", "limit": 1, "offset": 1})
    yield of("top", [3, 1])
    yield of("random", [7])
    yield of("related", {"titles": ["Ship", "Mast"], "limit": 4, "damping": 0.5, "epsilon": 1e-4})
    yield of("path", ["Anchor", "Étoile", 6])
    for what in ("scores", "links", "titles"):
        yield of("export", {"what": what, "limit": 2})
    for query in ("anchor", "+ship -mast", '"a ship"', "intitle:boat", "sh*", "星", "a a a"):
        yield of("search", [query])
    yield of("search", {"query": "a ship", "limit": 2, "offset": 1, "rank": "bm25",
                        "exact_hits": True, "snippets": True, "prune": False,
                        "title_weight": 2.5, "pagerank_weight": 0.5})
    yield of("explain", ["ship", "Ship", "bm25"])
    yield b"\x0f" + pack([0, 7, "lookup", ["Ship"]])
    yield b"\x0f" + pack([2, "note", []])
    yield b"\x0f" + pack([1, 7, None, 3])


def wire():
    yield pack([None, True, False, 0, 127, 128, 70000, -1, 1.5, "text", b"bin", [1, [2]],
                {"key": {"inner": []}}])
    yield pack([1, 77, 123456, pack([0, 1, "top", []])])
    yield pack([2])
    yield pack([4, 4711])
    yield pack([5, 77, False, b"frame"])
    yield pack([6, 12, 0.001])
    yield pack([7, 12, 0.001, True, 1, 2, 3, 4])
    yield pack([8, "no memory"])
    yield b"\x91" * 16 + b"\xc0"
    yield b"\xdd\x00\x00\x00\x02\xd9\x01a\xc7\x01\x05b"
    yield b"\xdf\x00\x00\x00\x01\xd0\xff\xd1\xff\xfe\xca\x3f\x80\x00\x00"[:14]
    yield b"\xdc\x00\x03\xcc\x80\xcd\x01\x00\xcf\x80\x00\x00\x00\x00\x00\x00\x00"


def ring():
    send = bytes([0, 100, 0, 0])
    yield bytes([0, 0]) + (send + bytes([3, 4, 7])) * 12
    yield bytes([2, 0xfe]) + (send * 2 + bytes([3, 4, 20, 36, 7, 23, 39, 10])) * 8
    yield bytes([1, 0xff]) + send * 4 + bytes([3, 8, 4, 9, 4, 4, 10])
    yield bytes([0, 0]) + send + bytes([3, 11, 1, 4, 0, 4, 4])
    yield bytes([0, 0]) + send + bytes([3, 13, 1, 255, 255, 255, 255, 4])
    yield bytes([0, 0]) + send + bytes([3, 13, 2 + 8, 0, 0, 0, 0, 4, 10])
    yield bytes([0, 0]) + send + bytes([12, 1, 4, 0]) + send * 9 + bytes([3, 4, 15, 9, 0, 4, 1, 2, 3, 4])


def exchange():
    plans = [bytes([phases, wide, 20, 18, 3, 4, 2, 5]) for phases in (0, 1, 2) for wide in (0, 1)]
    for plan in plans:
        yield plan + bytes([0, 8, 0, 8]) * 12
        yield plan + bytes([0, 8, 4, 0, 8, 12]) * 6
        for slot in (0, 2):
            # A message as it should be, and with each field changed; then on.
            yield plan + bytes([0, 5, slot, 2] + [0] * 10) + bytes([0, 4]) * 3
            for field in range(10):
                fields = [0] * 10
                fields[field] = 11
                yield plan + bytes([0, 5, slot, 2] + fields) + bytes([0, 0, 4]) * 2


def session():
    def frames(*values):
        return b"".join(map(pack, values))

    some = frames([0, 1, "top", [3]], [0, 2, "slow", []], [2, "note", []], [0, 3, "lookup", ["x"]])
    yield bytes([0]) + some
    yield bytes([8]) + bytes(range(8)) + some
    yield bytes([4, 0, 0, 0, 0]) + frames(*([0, i, "slow", {}] for i in range(5)))
    yield bytes([0]) + frames([0, 9, "top"], [0, 9, 3, []], [1, 2, None, None])
    yield bytes([1, 3]) + frames([0, 5, "lookup", ["x" * 300]])
    yield bytes([0]) + b"\x94\x00\x05\xc1"
    yield bytes([0]) + b"GET / HTTP/1.1\r\n\r\n"


CONTROL = ["ping", "status", "submit", "", "jobs", "job", "cancel", "watch", "reload"]


def control():
    def of(*calls):
        return b"".join(bytes([CONTROL.index(method), len(pack(params))]) + pack(params)
                        for method, params in calls)

    submit = {"kind": "pagerank", "damping": 0.5, "tolerance": 0.001, "iterations": 7,
              "precision": "single", "seeds": ["Ship", "Mast"], "exchange": "shared", "workers": 3,
              "publish": False}
    yield of(("ping", []), ("status", {}), ("jobs", []), ("reload", []), ("reload", ["/dev/null"]))
    yield of(("submit", []), ("submit", submit), ("watch", [1]), ("watch", [2]), ("cancel", [1]),
             ("job", [1]), ("cancel", {"id": 2}), ("jobs", []), ("watch", [1]), ("job", [3]))
    for name, value in submit.items():
        yield of(("submit", {name: value}), ("job", [1]), ("cancel", [1]))
    for params in ({"seeds": []}, {"seeds": "Boat"}, {"seeds": ["nothing such"]}, {"damping": 1},
                   {"workers": 65}, {"seed": "Ship"}, ["pagerank", 0.85, 0, 1, "double", ["Ship"]]):
        yield of(("submit", params))
    yield of(*[("submit", [])] * 40, ("jobs", []))
    yield of(("reload", ["\u9000" * 60]), ("submit", {"seeds": ["\u9000" * 60]}))
    yield bytes([15, 2]) + pack([7]) + of(("job", [2 ** 32 - 1]))


def index():
    for image in range(3):
        yield bytes([image])
        for section in range(34):
            yield bytes([image, section, 0, 0, 3]) + b"\x01\x00\x00\x00"
            yield bytes([image, section, 8, 0, 7]) + b"\xff" * 8
    yield bytes([128, 0, 16, 0, 7]) + b"\x00" * 8


def xml():
    dump = open(os.path.join(os.path.dirname(__file__), "seeds", "xml", "pages"), "rb").read()
    yield gzip.compress(dump, mtime=0)
    yield bz2.compress(dump[:200]) + bz2.compress(dump[200:])
    yield dump.decode().encode("utf-16")


def edges():
    yield gzip.compress(b"1 2\n2 3\n3 1\n", mtime=0)


def main():
    target, folder = sys.argv[1:]
    for number, seed in enumerate(globals().get(target, lambda: ())()):
        with open(os.path.join(folder, f"{number:03}"), "wb") as out:
            out.write(seed)


main()
