# SPDX-License-Identifier: MIT
"""Index files that are damaged, cut short, or no index files: the daemon refuses them with status
1, verify and info with 4, all with one sentence on what is wrong where, and nothing is left."""
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

from harness import (Daemon, FORKLORED, PAGES, PATIENCE_S, UNDER, RpcError, build_index,
                     page_element, run, scratch, small_dump, small_index)
from image_file import ENTRY_FIELDS, FIELDS, HEADER_BYTES, Image, KINDS, LINE_AT, LINE_BYTES, ORDER


def alone():
    """What to run a program with so that it has a /dev/shm of its own, whose names it prints in the
    end; nothing where the system does not let us."""
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/dev/shm"],
                      capture_output=True, check=False).returncode:
        return []
    return ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/shm && "$@"; status=$?; '
            'ls -A /dev/shm; exit $status', "sh"]


ALONE = alone()


class DamageTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with open(small_index(), "rb") as whole:
            cls.whole = whole.read()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="damage.", dir=scratch())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "index.flk")
        self.socket = os.path.join(self.folder, "socket")

    def image(self):
        return Image(self.whole)

    def write(self, content):
        with open(self.path, "wb") as out:
            out.write(content.bytes if isinstance(content, Image) else content)
        return self.path

    def assert_said(self, done, status, *words):
        said = done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        self.assertEqual(done.stdout, b"")
        lines = said.splitlines()
        self.assertEqual(len(lines), 1, said)
        self.assertRegex(lines[0], r"\Aforklored: ")
        for word in (self.path, *words):
            self.assertIn(word, lines[0])

    def assert_verify(self, *words):
        self.assert_said(run(FORKLORED, "verify", self.path), 4, *words)

    def assert_info(self, *words):
        self.assert_said(run(FORKLORED, "info", self.path), 4, *words)

    def assert_daemon(self, *words, options=()):
        done = run(*ALONE, FORKLORED, "--socket", self.socket, "--index", self.path, *options)
        self.assert_said(done, 1, *words)
        self.assertEqual(os.listdir(self.folder), ["index.flk"])

    def assert_refused(self, content, *words):
        """By all that look at an index."""
        self.write(content)
        self.assert_verify(*words)
        self.assert_info(*words)
        self.assert_daemon(*words)
        self.assert_daemon(*words, options=["--map"])


class Header(DamageTest):
    def test_the_whole_one_is_taken(self):
        """What all of these differ from, and the checksums that these tests compute."""
        image = self.image()
        image.sign()
        self.assertEqual(image.bytes, self.whole)
        self.assertEqual(list(image.sections), ORDER)
        self.assertEqual(run(FORKLORED, "verify", self.write(image)).returncode, 0)
        with Daemon(self.path, "--workers", "processes:1"):
            pass

    def test_each_field(self):
        """A flipped bit in each: the header's checksum, at least, gives it away."""
        words = {
            "magic": ["not a forklore index", "magic number at offset 0"],
            "version_major": ["layout version", "build the index again"],
            "version_minor": ["the header is damaged", "checksum"],
            "endian": ["wrong byte order", "endianness field at offset 12"],
            "total_bytes": ["the header says", "the header is damaged"],
            "hot_bytes": ["hot_bytes", "the header is damaged"],
            "section_count": ["section", "the header is damaged"],
            "reserved0": ["the header is damaged: its checksum"],
            "header_xxh64": ["the header is damaged: its checksum"],
            "reserved1": ["the header is damaged: its checksum"],
            "ready": ["the ready word at offset 64"],
        }
        for field, said in words.items():
            for bit in 1, struct.calcsize(FIELDS[field][1]) * 8 - 1:
                with self.subTest(field=field, bit=bit):
                    image = self.image()
                    image.set(field, image.get(field) ^ 1 << bit)
                    self.assert_refused(image, *said)

    def test_each_field_of_each_entry(self):
        whole = self.image()
        for name, i in whole.sections.items():
            for field, (_, form) in ENTRY_FIELDS.items():
                bits = struct.calcsize(form) * 8
                # One bit of each, and many of one.
                for bit in range(0, bits, 5) if name == "pages" else [i % bits]:
                    with self.subTest(section=name, field=field, bit=bit):
                        image = self.image()
                        image.set_entry(i, field, image.entry(i, field) ^ 1 << bit)
                        self.write(image)
                        self.assert_daemon("damaged")
                        if field != "xxh64":
                            self.assert_verify("damaged")

    def test_a_field_that_lies(self):
        """As above with the checksum made right: the field itself is found out, and is named."""
        def entry(section, field, change):
            def lie(image):
                i = image.sections[section]
                image.set_entry(i, field, change(image.entry(i, field)))
            return lie

        def field(name, change):
            return lambda image: image.set(name, change(image.get(name)))

        ours = self.image().get("version_major")
        lies = [
            (field("magic", lambda x: int.from_bytes(x.to_bytes(8, "little"), "big")),
             "other byte order"),
            *((field("version_major", lambda _, other=other: other),
               f"layout version {other}.0 cannot be read") for other in (ours - 1, ours + 1)),
            (field("endian", lambda _: 0x04030201), "wrong byte order"),
            (field("total_bytes", lambda x: x + 64), "cut short: the header says"),
            (field("total_bytes", lambda x: x - 64), "too long: the header says"),
            (field("total_bytes", lambda _: (1 << 64) - 64), "cut short: the header says"),
            (field("hot_bytes", lambda x: x + 64), "hot_bytes"),
            (field("hot_bytes", lambda _: 0), "hot_bytes 0 is not between"),
            (field("hot_bytes", lambda _: 1 << 63), "hot_bytes 9223372036854775808 is not between"),
            (field("section_count", lambda _: 0), "hot_bytes is"),
            (field("section_count", lambda x: x - 1), "section_count end at"),
            (field("section_count", lambda x: x + 1), "section table entry 38 has no kind"),
            (field("section_count", lambda _: 125), "section_count 125 is more than the 124"),
            (field("section_count", lambda _: 0xffffffff), "section_count 4294967295 is more"),
            (entry("pages", "kind", lambda _: 0), "section table entry 1 has no kind"),
            (entry("in-offsets", "kind", lambda _: KINDS.index("out-offsets")),
             "are of the same kind (out-offsets)"),
            (entry("pages", "kind", lambda _: 99), "section pages is missing"),
            (entry("scores", "kind", lambda _: 99), "section scores is missing"),
            (entry("pages", "home", lambda _: 1), "entry 1 (pages) is not hot"),
            (entry("pages", "home", lambda _: 2), "home 2 is neither hot nor cold"),
            (entry("text", "home", lambda _: 0), "(text) is not cold"),
            (entry("pages", "offset", lambda x: x + 1), "is not a multiple of 64"),
            (entry("pages", "offset", lambda _: 0), "offset 0 is inside what precedes it"),
            (entry("pages", "offset", lambda x: x + 64), "is inside what precedes it"),
            (entry("pages", "offset", lambda _: 1 << 62), "reach past the end of the index"),
            (entry("text", "offset", lambda x: x + 64), "reach past the end of the index"),
            (entry("pages", "bytes", lambda x: x + 40), "section pages has"),
            (entry("pages", "bytes", lambda x: x + 80), "is inside what precedes it"),
            (entry("pages", "bytes", lambda x: x - 40), "section pages has"),
            (entry("pages", "bytes", lambda x: x - 1), "not a whole number of elements of 40"),
            (entry("pages", "bytes", lambda _: 0), "section pages has 0 bytes"),
            (entry("pages", "bytes", lambda _: (1 << 64) - 64), "reach past the end"),
        ]
        for lie, words in lies:
            image = self.image()
            lie(image)
            image.sign_header()
            with self.subTest(words=words):
                # Sizes are judged before checksums, by info, which looks at no section, as well.
                self.write(image)
                self.assert_info(words)
                self.assertNotIn(b"header is damaged", run(FORKLORED, "info", self.path).stderr)
                if image.get("section_count") == len(KINDS) - 1:
                    image.sign()
                self.assert_refused(image, words)


class Cut(DamageTest):
    def test_at_many_lengths(self):
        for length in [1, 7, 64, 127, 128, 4095, *range(HEADER_BYTES, len(self.whole), 307),
                       len(self.whole) - 64, len(self.whole) - 1]:
            with self.subTest(length=length):
                self.write(self.whole[:length])
                if length < HEADER_BYTES:
                    words = ["not a forklore index", f"{length} bytes"]
                else:
                    words = [f"cut short: the header says {len(self.whole)} bytes, the file has "
                             f"{length}"]
                self.assert_verify(*words)
                self.assert_info(*words)
                self.assert_daemon(*words)

    def test_at_both_ends(self):
        self.assert_refused(b"", "not a forklore index", "0 bytes")
        self.assert_refused(self.whole + b"\n", "too long: the header says",
                            f"the file has {len(self.whole) + 1}")
        self.assert_refused(self.whole[64:], "not a forklore index: the magic number")


class Sections(DamageTest):
    def test_a_byte_in_each(self):
        for name in KINDS[1:]:
            offset, size = self.image().section(name)
            if name == "passage-dictionary" and size == 0:
                continue  # the wiki is too small to have one
            self.assertGreater(size, 0)
            said = [f"section {name} (offset {offset}, {size} bytes) is damaged", "checksum"]
            for at in {offset, offset + size // 2, offset + size - 1}:
                with self.subTest(section=name, at=at):
                    image = self.image()
                    image.bytes[at] ^= 0x40
                    self.write(image)
                    self.assert_verify(*said)
                    if name not in ("text", "passage-bytes"):
                        self.assert_daemon(*said)

    def test_zeroed(self):
        """As a disk loses a block."""
        for name in "pages", "title-offsets", "out-targets":
            offset, size = self.image().section(name)
            image = self.image()
            image.bytes[offset:offset + size] = bytes(size)
            self.write(image)
            self.assert_daemon(f"section {name} ", "is damaged")

    def test_contents_that_contradict_each_other(self):
        """With every checksum right: what an honest writer never wrote, verify still finds."""
        def meta(at, form, value):
            return lambda image: struct.pack_into(form, image.bytes, image.section("meta")[0] + at,
                                                  value)

        def put(section, at, form, value):
            return lambda image: struct.pack_into(form, image.bytes,
                                                  image.section(section)[0] + at, value)

        # What sizes give away, the daemon refuses as well.
        for lie, words in [
                (meta(0, "<I", 0), "an index of no pages"),
                (meta(0, "<I", 1 << 31), "there cannot be more than 2^31"),
                (meta(4, "<I", 1), "1 titles for"),
                (meta(0, "<I", 9), "section pages has"),
                (meta(4, "<I", 1000), "section title-offsets has"),
                (meta(8, "<Q", 3), "section out-targets has"),
                (meta(8, "<Q", 1 << 63), "section out-targets has")]:
            with self.subTest(words=words):
                image = self.image()
                lie(image)
                image.sign()
                self.assert_refused(image, words)
        for lie, section in [
                (put("pages", 20, "<I", 1 << 30), "pages"),
                (put("pages", 24, "<I", 7), "pages"),
                (put("pages", 28, "<I", 1 << 30), "pages"),
                (put("text-blocks", 0, "<Q", 1 << 40), "text-blocks"),
                (put("text-blocks", 8, "<I", 0), "text-blocks"),
                (put("title-offsets", 4, "<I", 1 << 31), "title-offsets"),
                (put("title-bytes", 0, "<B", 0xff), "title-bytes"),
                (put("fold-bytes", 0, "<B", 0x7a), "fold-bytes"),
                (put("title-targets", 0, "<I", 77), "title-targets"),
                (put("title-hash", 0, "<II", (1 << 32) - 1), "title-hash"),
                (put("out-offsets", 8, "<Q", 1 << 50), "out-offsets"),
                (put("out-targets", 0, "<I", 0xffffffff), "out-targets"),
                (put("in-offsets", 0, "<Q", 5), "in-offsets"),
                (put("in-sources", 0, "<I", 1 << 31), "in-sources"),
                (put("scores", 0, "<d", float("nan")), "scores"),
                (put("scores", 0, "<d", 3.0), "scores"),
                (put("rank-order", 0, "<I", 99), "rank-order"),
                (put("rank-positions", 0, "<I", 99), "rank-positions"),
                (put("title-ranks", 0, "<I", 99), "title-ranks"),
                (put("title-minima", 0, "<I", 99), "title-minima"),
                (put("rank-info", 0, "<d", 7.5), "rank-info")]:
            with self.subTest(section=section):
                image = self.image()
                if section == "title-hash":
                    at = image.section(section)[0]
                    size = image.section(section)[1]
                    used = next(i for i in range(0, size, 8)
                                if struct.unpack_from("<I", image.bytes, at + i + 4)[0])
                    struct.pack_into("<I", image.bytes, at + used + 4, 0x7fffffff)
                else:
                    lie(image)
                image.sign()
                self.write(image)
                self.assert_verify(f"section {section}, element ", "(offset ")


class Text(DamageTest):
    """Article text stays in the file and is read when it is asked for."""

    @classmethod
    def setUpClass(cls):
        # Blocks of their own for the large pages, one for all the small ones.
        cls.texts = {f"Large {i}": os.urandom(150000).hex() for i in range(4)}
        cls.texts.update(PAGES)
        dump = os.path.join(scratch(), "blocks.xml")
        with open(dump, "w", encoding="utf-8") as out:
            out.write("<mediawiki>" + "".join(
                page_element(title, text, 100 + i)
                for i, (title, text) in enumerate(cls.texts.items())) + "</mediawiki>")
        with open(build_index(dump, dump[:-4] + ".flk"), "rb") as whole:
            cls.whole = whole.read()

    def blocks(self):
        """Offset in the file and size of each text block."""
        image = self.image()
        at, size = image.section("text-blocks")
        text, _ = image.section("text")
        found = [struct.unpack_from("<QII", image.bytes, at + i) for i in range(0, size, 16)]
        self.assertGreaterEqual(len(found), 5)
        return [(text + offset, stored) for offset, stored, _ in found]

    def assert_pages(self, rpc, broken, *words):
        """These pages' text cannot be had, and everything else can."""
        for title, text in self.texts.items():
            with self.subTest(title=title):
                if title not in broken:
                    self.assertEqual(rpc.call("page", title, "wikitext")["text"], text)
                    continue
                for form in "wikitext", "xml", "text":
                    with self.assertRaises(RpcError) as caught:
                        rpc.call("page", title, form)
                    self.assertEqual(caught.exception.code, "internal")
                    for word in words:
                        self.assertIn(word, caught.exception.message)
            self.assertEqual(rpc.call("lookup", title)["title"], title)
        self.assertEqual(len(rpc.call("links", "Alpha")["titles"]), 3)
        self.assertEqual(len(rpc.call("top", 5)), 5)
        for worker in rpc.call("status")["workers"]:
            self.assertEqual(worker["restarts"], 0)

    def test_a_block_is_damaged(self):
        offset, size = self.image().section("text")
        start, stored = self.blocks()[2]
        for at in start, start + stored // 2, start + stored - 1:
            with self.subTest(at=at):
                image = self.image()
                image.bytes[at] ^= 0x01
                self.write(image)
                self.assert_verify(f"section text (offset {offset}, {size} bytes) is damaged")
                with Daemon(self.path, "--workers", "processes:2") as daemon:
                    with daemon.connect() as rpc:
                        self.assert_pages(rpc, {"Large 2"}, "text block 2 is damaged")

    def test_blocks_are_exchanged(self):
        """Each is whole, and has its checksum, but is not the one that belongs there."""
        (a, a_size), (b, b_size) = self.blocks()[:2]
        image = self.image()
        size = min(a_size, b_size)
        image.bytes[a:a + size], image.bytes[b:b + size] = (image.bytes[b:b + size],
                                                            image.bytes[a:a + size])
        self.write(image)
        self.assert_verify("section text ", "is damaged")
        with Daemon(self.path) as daemon, daemon.connect() as rpc:
            for title in "Large 0", "Large 1":
                try:
                    rpc.call("page", title, "wikitext")
                except RpcError as error:
                    self.assertEqual(error.code, "internal")
            self.assertEqual(rpc.call("page", "Alpha", "wikitext")["text"], PAGES["Alpha"])

    def test_the_file_is_cut_while_it_is_served(self):
        start, stored = self.blocks()[2]
        self.write(self.whole)
        with Daemon(self.path, "--workers", "processes:2") as daemon, daemon.connect() as rpc:
            with open(self.path, "r+b") as index:
                index.truncate(start + stored // 2)
            lost = {"Large 2", "Large 3", *PAGES}
            self.assert_pages(rpc, lost, "text block", "it was cut short after it was loaded")
            with self.assertRaises(RpcError) as caught:
                rpc.call("reload")
            self.assertEqual(caught.exception.code, "bad_params")
            self.assertIn("cut short: the header says", caught.exception.message)
            with open(self.path, "r+b") as index:
                index.truncate(0)
            self.assert_pages(rpc, {*lost, "Large 0", "Large 1"} - self.cached(rpc), "cut short")

    @unittest.skipIf("thread" in UNDER, "ThreadSanitizer has signals wait that cannot")
    def test_a_mapped_file_is_cut_while_it_is_served(self):
        """Reading it is SIGBUS then: an error for who asks, and for nobody else."""
        # What a thread held when it was left is lost (shm/mapped.h), as LeakSanitizer would say.
        for workers in ["processes:2"] if "address" in UNDER else ["processes:2", "threads:2"]:
            self.write(self.whole)
            with Daemon(self.path, "--map", "--workers", workers) as daemon, \
                    daemon.connect() as rpc:
                self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
                index_status = rpc.call("status")["index"]
                for left in 4096, 0:
                    with open(self.path, "r+b") as index:
                        index.truncate(left)
                    for method, params in (("lookup", ["Alpha"]), ("top", [10]),
                                           ("links", ["Alpha"]), ("search", ["leads"]),
                                           ("lookup", ["Beta"])):
                        with self.assertRaises(RpcError) as caught:
                            rpc.call(method, *params)
                        self.assertEqual(caught.exception.code, "internal")
                        self.assertIn("cannot be read any more", caught.exception.message)
                    with self.assertRaises(RpcError):
                        rpc.call("submit", seeds=["Alpha"])
                    job = rpc.pagerank(workers=2)
                    self.assertEqual(job["state"], "failed")
                    self.assertIn("cannot be read any more", job["error"])
                    self.assertEqual(rpc.call("status")["index"], index_status)
                # A good file in its place, and all is well.
                self.write(self.whole)
                rpc.call("reload")
                self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
                self.assertEqual(rpc.pagerank()["state"], "done")

    def cached(self, rpc):
        """Workers keep blocks they have read; what these hold is still good."""
        kept = set()
        for title in self.texts:
            try:
                for _ in range(8):
                    rpc.call("page", title, "wikitext")
                kept.add(title)
            except RpcError:
                pass
        return kept

    def test_the_file_is_removed_or_replaced_while_it_is_served(self):
        self.write(self.whole)
        with Daemon(self.path) as daemon, daemon.connect() as rpc:
            os.remove(self.path)
            self.assert_pages(rpc, set())
            self.write(self.whole[:5000])  # another file of that name
            self.assert_pages(rpc, set())
            self.write(self.whole)
            rpc.call("reload")
            self.assert_pages(rpc, set())


class OtherFiles(DamageTest):
    def test_wrong_types(self):
        self.assert_refused(small_dump().encode() * 2, "not a forklore index")
        self.assert_refused(b"just words\n", "not a forklore index", "11 bytes")
        self.assert_refused(bytes(20000), "not a forklore index", "0000000000000000")
        with open(FORKLORED, "rb") as program:
            self.assert_refused(program.read(1 << 20), "not a forklore index")

    def test_no_file(self):
        self.path = os.path.join(self.folder, "missing.flk")
        for check in self.assert_verify, self.assert_info:
            check("cannot open", "No such file or directory")
        done = run(FORKLORED, "--socket", self.socket, "--index", self.path)
        self.assert_said(done, 1, "cannot open", "No such file or directory")
        self.assertEqual(os.listdir(self.folder), [])

    def test_not_even_a_file(self):
        self.path = os.path.join(self.folder, "index.flk")
        os.mkdir(self.path)
        self.assert_verify("not a forklore index")
        self.assert_info("not a forklore index")
        self.assert_daemon("not a regular file")
        self.path = "/dev/null"
        self.assert_verify("not a forklore index")
        done = run(FORKLORED, "--socket", self.socket, "--index", self.path)
        self.assert_said(done, 1, "not a regular file")

    def test_a_pipe(self):
        """Must not wait for somebody to write."""
        os.mkfifo(self.path)
        for arguments, status in ((["verify", self.path], 4), (["info", self.path], 4),
                                  (["--socket", self.socket, "--index", self.path], 1)):
            with self.subTest(arguments=arguments[0]):
                try:
                    done = subprocess.run([FORKLORED, *arguments], capture_output=True, timeout=PATIENCE_S,
                                          check=False)
                except subprocess.TimeoutExpired:
                    self.fail("it waits for a writer")
                self.assert_said(done, status)


class MadeUp(DamageTest):
    def test_random_damage(self):
        """Whatever bits are flipped: verify finds it, unless they are between sections."""
        rng = random.Random(20)
        padding = set()
        image = self.image()
        ends = sorted((image.entry(i, "offset"), image.entry(i, "bytes"))
                      for i in image.sections.values())
        for (start, size), (following, _) in zip(ends, [*ends[1:], (len(self.whole), 0)]):
            padding.update(range(start + size, following))
        for _ in range(40):
            image = self.image()
            where = {rng.randrange(len(self.whole)) for _ in range(rng.choice([1, 1, 3, 200]))}
            for at in where:
                image.bytes[at] ^= 1 << rng.randrange(8)
            if where <= padding | set(range(LINE_AT, LINE_AT + LINE_BYTES)):
                continue
            self.write(image)
            with self.subTest(where=sorted(where)[:5]):
                self.assert_verify()


if __name__ == "__main__":
    unittest.main()
