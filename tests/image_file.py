# SPDX-License-Identifier: MIT
"""The bytes of an index file, to be changed: header and table of sections by name (docs/layout.md),
and checksums made right again."""
import struct

HEADER_BYTES, TABLE_AT, ENTRY_BYTES, LINE_AT, LINE_BYTES = 4096, 128, 32, 64, 64
FIELDS = {  # name: (offset, struct format)
    "magic": (0, "<Q"), "version_major": (8, "<H"), "version_minor": (10, "<H"),
    "endian": (12, "<I"), "total_bytes": (16, "<Q"), "hot_bytes": (24, "<Q"),
    "section_count": (32, "<I"), "reserved0": (36, "<I"), "header_xxh64": (40, "<Q"),
    "reserved1": (48, "<Q"), "ready": (64, "<I"),
}
ENTRY_FIELDS = {"kind": (0, "<I"), "home": (4, "<I"), "offset": (8, "<Q"), "bytes": (16, "<Q"),
                "xxh64": (24, "<Q")}
KINDS = ["", "meta", "pages", "text-blocks", "title-offsets", "title-bytes", "fold-offsets",
         "fold-bytes", "title-targets", "title-hash", "out-offsets", "out-targets", "in-offsets",
         "in-sources", "rank-info", "scores", "rank-order", "rank-positions", "title-ranks",
         "title-minima", "text", "spmv-info", "spmv-positions", "spmv-degrees", "spmv-start",
         "spmv-blocks", "spmv-tiles", "spmv-words", "search-info", "body-lengths", "name-lengths",
         "word-blocks", "word-bytes", "postings", "positions", "passage-pages", "passages",
         "passage-dictionary", "passage-bytes"]
# The order in the file: hot ones first.
ORDER = KINDS[1:14] + KINDS[21:28] + KINDS[14:20] + KINDS[28:] + ["text"]


def xxh64(data):
    """XXH64 with seed 0, after its specification."""
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                          0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
    mask = (1 << 64) - 1

    def rotate(x, bits):
        return ((x << bits) | (x >> (64 - bits))) & mask

    def mix(accumulator, lane):
        return rotate((accumulator + lane * p2) & mask, 31) * p1 & mask

    at, data = 0, bytes(data)
    if len(data) >= 32:
        lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 32 <= len(data):
            lanes = [mix(a, x) for a, x in zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        total = sum(rotate(a, bits) for a, bits in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            total = ((total ^ mix(0, lane)) * p1 + p4) & mask
    else:
        total = p5
    total = (total + len(data)) & mask
    while at + 8 <= len(data):
        lane = mix(0, struct.unpack_from("<Q", data, at)[0])
        total, at = (rotate(total ^ lane, 27) * p1 + p4) & mask, at + 8
    if at + 4 <= len(data):
        lane = struct.unpack_from("<I", data, at)[0] * p1 & mask
        total, at = (rotate(total ^ lane, 23) * p2 + p3) & mask, at + 4
    for byte in data[at:]:
        total = rotate(total ^ (byte * p5 & mask), 11) * p1 & mask
    total = (total ^ (total >> 33)) * p2 & mask
    total = (total ^ (total >> 29)) * p3 & mask
    return total ^ (total >> 32)


class Image:
    """An index file's bytes, to be changed."""

    def __init__(self, content):
        self.bytes = bytearray(content)
        self.sections = {KINDS[self.entry(i, "kind")]: i for i in range(self.get("section_count"))}

    def get(self, field):
        offset, form = FIELDS[field]
        return struct.unpack_from(form, self.bytes, offset)[0]

    def set(self, field, value):
        offset, form = FIELDS[field]
        struct.pack_into(form, self.bytes, offset, value)

    def entry(self, i, field):
        offset, form = ENTRY_FIELDS[field]
        return struct.unpack_from(form, self.bytes, TABLE_AT + i * ENTRY_BYTES + offset)[0]

    def set_entry(self, i, field, value):
        offset, form = ENTRY_FIELDS[field]
        struct.pack_into(form, self.bytes, TABLE_AT + i * ENTRY_BYTES + offset, value)

    def section(self, name):
        """Its offset and size."""
        i = self.sections[name]
        return self.entry(i, "offset"), self.entry(i, "bytes")

    def sign(self):
        """Makes all checksums right, so that it is not they that give a lie away."""
        for i in range(min(self.get("section_count"), 124)):
            offset, size = self.entry(i, "offset"), self.entry(i, "bytes")
            self.set_entry(i, "xxh64", xxh64(self.bytes[offset:offset + size]))
        self.sign_header()

    def sign_header(self):
        header = self.bytes[:HEADER_BYTES]
        header[40:48] = bytes(8)
        header[LINE_AT:LINE_AT + LINE_BYTES] = bytes(LINE_BYTES)
        self.set("header_xxh64", xxh64(header))
