# SPDX-License-Identifier: MIT
"""Bad input to `forklored build`: each kind is refused with status 4 and one sentence that names
the file and the place, and leaves the folder as it was. Large and ugly input that is none the less
good is built, in time that grows with its size and no faster."""
import bz2
import gzip
import os
import resource
import time
import unittest

from harness import Daemon, FORKLORED, PATIENCE_S, page_element, run, small_dump
from input_fixture import InputTest, OPENING, dump_of, wiki_of


class CutOff(InputTest):
    def test_xml_anywhere(self):
        whole = small_dump().encode()
        self.build(self.write("whole.xml", whole))
        os.remove(self.output)
        end = whole.rindex(b"</mediawiki>") + len(b"</mediawiki>")
        for cut in [*range(1, end, 89), end - 1]:
            with self.subTest(bytes=cut):
                head = whole[:cut]
                if b"<mediawiki" not in head or head.index(b"<mediawiki") > head.rfind(b">"):
                    wanted = ["not a MediaWiki export: the file ends before any XML element"]
                elif head.rfind(b"<page>") > head.rfind(b"</page>"):
                    line = head[:head.rfind(b"<page>")].count(b"\n") + 1
                    wanted = [f"cut off inside the page begun in line {line}"]
                else:
                    wanted = ["cut off: </mediawiki> is missing"]
                self.refuse_bytes(head, "line ", "byte ", *wanted, replaces=cut % 2)

    def test_xml_between_two_pages_names_the_last_line(self):
        whole = small_dump()
        head = whole[:whole.rindex("</page>") + len("</page>")] + "\n"
        self.refuse_bytes(head, f"line {head.count(chr(10)) + 1}, byte {len(head.encode())}: ",
                          "</mediawiki> is missing")

    def test_bzip2_anywhere(self):
        whole = bz2.compress(small_dump().encode())
        self.build(self.write("whole.xml.bz2", whole))
        os.remove(self.output)
        for cut in [4, 5, 10, 14, *range(30, len(whole), 101), len(whole) - 1]:
            with self.subTest(bytes=cut):
                self.refuse_bytes(
                    whole[:cut], "the file is cut off: bzip2 stream 1, begun at byte 0",
                    f"(byte {cut} of the file)", name="dump.xml.bz2", replaces=cut % 2)

    def test_bzip2_inside_its_first_bytes(self):
        self.refuse_bytes(b"BZh", "not a MediaWiki export", name="dump.xml.bz2")

    def test_multistream_bzip2(self):
        head, tail = small_dump().encode()[:700], small_dump().encode()[700:]
        first, second = bz2.compress(head), bz2.compress(tail)
        self.build(self.write("whole.xml.bz2", first + second))
        os.remove(self.output)
        self.refuse_bytes(first + second[:len(second) // 2],
                          f"cut off: bzip2 stream 2, begun at byte {len(first)}",
                          f"(byte {len(first) + len(second) // 2} of the file)", name="a.bz2")
        # Between two streams bzip2 has nothing to complain about; the XML has.
        self.refuse_bytes(first, "the XML is cut off", "line ", name="b.bz2")

    def test_gzip(self):
        whole = gzip.compress(small_dump().encode())
        for cut in 10, len(whole) // 2, len(whole) - 8, len(whole) - 1:
            with self.subTest(bytes=cut):
                self.refuse_bytes(whole[:cut], "the file is cut off: gzip stream 1",
                                  f"(byte {cut} of the file)", name="dump.xml.gz")

    def test_from_a_pipe(self):
        done = run(FORKLORED, "build", "-q", "/dev/stdin", "-o", self.output,
                   input=small_dump().encode()[:900])
        self.assert_refused(done, "/dev/stdin: line ", "cut off inside the page")
        self.assertEqual(self.names(), [])


class Damaged(InputTest):
    def test_bzip2_in_the_middle(self):
        whole = bz2.compress(small_dump().encode())
        refused = 0
        for at in range(4, len(whole) - 1, 29):
            damaged = bytearray(whole)
            damaged[at] ^= 0x10
            try:
                self.assertEqual(bz2.decompress(damaged), small_dump().encode())
                continue  # the bit belongs to a code that is not used
            except (OSError, ValueError):
                refused += 1
            with self.subTest(at=at):
                # libbz2 hands over what a block holds before it has seen that the checksum is
                # wrong, so that it may be the XML that makes no sense.
                self.refuse_bytes(damaged, "byte ", name="dump.xml.bz2", replaces=at % 2)
        self.assertGreater(refused, 10)
        for at in 10, len(whole) - 3:  # the checksums of the block and of the stream
            with self.subTest(at=at):
                damaged = bytearray(whole)
                damaged[at] ^= 0x10
                self.refuse_bytes(damaged, "damaged bzip2 data (checksum or structure) in stream 1",
                                  "begun at byte 0", name="dump.xml.bz2")

    def test_gzip_in_the_middle(self):
        damaged = bytearray(gzip.compress(small_dump().encode()))
        damaged[-6] ^= 0x10  # of its checksum
        self.refuse_bytes(damaged, "damaged gzip data (checksum or structure) in stream 1",
                          name="dump.xml.gz")

    def test_garbage_behind_the_end(self):
        whole = bz2.compress(small_dump().encode())
        self.refuse_bytes(whole + b"garbage!", f"what follows bzip2 stream 1 at byte {len(whole)}",
                          "is not bzip2", name="dump.xml.bz2")
        self.refuse_bytes(small_dump() + "<more/>", "the XML is not well-formed: junk after",
                          f"line {small_dump().count(chr(10)) + 1}, ")

    def test_invalid_utf8(self):
        for bad in b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf":
            with self.subTest(bad=bad):
                dump = wiki_of("one\ntwo @ three").encode()
                at = dump.index(b"@")
                line = dump[:at].count(b"\n") + 1
                self.refuse_bytes(dump.replace(b"@", bad),
                                  f"line {line}, byte {at}: invalid UTF-8")

    def test_invalid_utf8_in_a_title(self):
        dump = wiki_of("text").encode().replace(b"Alpha", b"Al\xe9pha")
        self.refuse_bytes(dump, f"byte {dump.index(bytes([0xe9]))}: invalid UTF-8")

    def test_not_well_formed(self):
        dump = wiki_of("text").replace("</title>", "</tilte>")
        self.refuse_bytes(dump, "line 3, ", "not well-formed: mismatched tag")
        self.refuse_bytes(wiki_of("text").replace("text</text>", "&nbsp;</text>"),
                          "not well-formed: undefined entity")
        self.refuse_bytes(wiki_of("@").encode().replace(b"@", b"\x01"), "not well-formed")

    def test_wrong_encoding(self):
        self.refuse_bytes('<?xml version="1.0" encoding="Shift_JIS"?>\n' + wiki_of("text"),
                          "declares an encoding that is not its own or not known here")
        self.refuse_bytes('<?xml version="1.0" encoding="UTF-16"?>\n' + wiki_of("text"),
                          "declares an encoding that is not its own")
        odd = wiki_of("text").encode("utf-16")[:-1]
        self.refuse_bytes(odd, "cut off")


class NotADump(InputTest):
    def test_other_xml(self):
        self.refuse_bytes("<html><body>Not found</body></html>",
                          "line 1, byte 0: not a MediaWiki export: its root element is <html>, "
                          "not <mediawiki>")
        self.refuse_bytes('<?xml version="1.0"?>\n<rss version="2.0"><channel/></rss>',
                          "line 2, ", "its root element is <rss>")
        self.refuse_bytes("<" + "x" * 100000 + "/>", "not a MediaWiki export")

    def test_no_xml(self):
        for content in ("INSERT INTO page VALUES (1,0,'Alpha');", '{"pages": []}', "   \n\n",
                        bytes(5000), b"\x89PNG\r\n\x1a\n", b"\xff\xfe"):
            with self.subTest(content=content[:20]):
                self.refuse_bytes(content, "line ", "not a MediaWiki export")

    def test_other_archives(self):
        for head, name in ((b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
                           (b"\xfd7zXZ\x00", "an xz file"), (b"\x28\xb5\x2f\xfd", "a zstd file"),
                           (b"PK\x03\x04", "a zip archive")):
            with self.subTest(name=name):
                self.refuse_bytes(head + bytes(100), f"this is {name}; unpack it first")

    def test_doctype(self):
        laughs = '<!DOCTYPE mediawiki [\n<!ENTITY lol0 "lol">\n' + "".join(
            f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10}">\n' for i in range(1, 20)) + "]>\n"
        body = wiki_of("@").replace("@", "&lol19;")
        large = '<!DOCTYPE mediawiki [<!ENTITY a "' + "a" * 100000 + '">]>\n'
        outside = '<!DOCTYPE mediawiki [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n'
        for doctype in laughs, large, outside, '<!DOCTYPE mediawiki SYSTEM "http://127.0.0.1/">\n':
            with self.subTest(doctype=doctype[:60]):
                self.refuse_bytes(doctype + body, "line 1, byte ", "DOCTYPE", "refused")

    def test_an_index_as_a_dump(self):
        index = self.path("index")
        run(FORKLORED, "build", "-q", self.write("d.xml", small_dump()), "-o", index)
        self.refuse(index, "not a MediaWiki export")


class Pages(InputTest):
    def test_none(self):
        self.refuse_bytes("<mediawiki/>", "a MediaWiki export without a single page")
        self.refuse_bytes(dump_of(), "a MediaWiki export without a single page")
        self.refuse_bytes(dump_of("<siteinfo><sitename>Empty</sitename></siteinfo>"),
                          "without a single page")

    def test_no_article(self):
        talk = page_element("Talk:Alpha", "text", 1).replace("<ns>0<", "<ns>1<")
        self.refuse_bytes(dump_of(talk, talk.replace("Alpha", "Beta")),
                          "2 pages, but no article among them")
        lost = page_element("Alpha", "#REDIRECT [[Beta]]", 1, "Beta")
        self.refuse_bytes(dump_of(lost), "1 pages, but no article among them")

    def test_a_title_of_10000_bytes(self):
        dump = wiki_of("text", "A" * 10000)
        self.refuse_bytes(dump, "line 3, byte ", "title", "longer than 1024 bytes")
        dump = dump_of(page_element("A", "#REDIRECT [[B]]", 1, "B" * 10000))
        self.refuse_bytes(dump, "line 6, byte ", "the redirect's title is longer than 1024 bytes")
        link = "[[" + "C" * 10000 + "]] and [[" + "é" * 5000 + "|short]] and [[Alpha]]"
        report = self.build(self.write("link.xml", dump_of(page_element("Alpha", link, 1),
                                                           page_element("B", "[[Alpha]]", 2))))
        self.assertEqual((report["pages"], report["edges"]), (2, 1))

    def test_titles_at_the_limit(self):
        report = self.build(self.write("dump.xml", dump_of(
            page_element("A" * 1024, "[[Beta]]", 1), page_element("Beta", "", 2))))
        self.assertEqual((report["pages"], report["edges"]), (2, 1))
        os.remove(self.output)
        self.refuse_bytes(wiki_of("text", "A" * 1025), "title", "1024")
        # 1023 bytes that Unicode's composition makes longer than an index can hold.
        self.refuse_bytes(wiki_of("text", "\u1e9b\u0323" * 10 + "\ufb2c" * 320), "title",
                          "too long")

    def test_bad_titles(self):
        self.refuse_bytes(wiki_of("text", ""), "the page begun in line 2 has no title")
        self.refuse_bytes(wiki_of("text", " _ "), "its title is empty", "page 1 at byte ")
        self.refuse_bytes(wiki_of("text").replace("<title>Alpha</title>", ""),
                          "the page begun in line 2 has no title")
        self.refuse_bytes(wiki_of("text", "Al\tpha"), "line 3, ", "control character (0x09)")

    def test_bad_numbers(self):
        good = wiki_of("text")
        for bad in "one", "", "-1", "1.5", "9" * 30, "0x10", "1 2":
            with self.subTest(bad=bad):
                self.refuse_bytes(good.replace("<id>1</id>", f"<id>{bad}</id>"), "line 5, ",
                                  "<id> is not a number")
        self.refuse_bytes(good.replace("<ns>0<", "<ns>main<"), "line 4, ",
                          '<ns> is not a number: "main"')
        self.refuse_bytes(good.replace("<ns>0<", "<ns>4294967296<"), "<ns> 4294967296 is out of")
        self.refuse_bytes(good.replace("<ns>0<", "<ns>" + "1" * 5000 + "<"),
                          "a name or number is longer than 1024 bytes")

    def test_elements_too_deep(self):
        nested = wiki_of("text").replace("<id>1</id>", "<a>" * 100000 + "</a>" * 100000)
        self.refuse_bytes(nested, "line 5, ", "elements are nested more than 64 deep")

    def test_a_tag_without_end(self):
        endless = gzip.compress((OPENING + "<page " + "a" * (40 << 20)).encode(), 1)
        self.refuse_bytes(endless, "line 2, byte ", "a tag or comment of more than 16 MiB",
                          name="dump.xml.gz")


def cpu_seconds_of_children():
    """However busy the machine is, the same work takes about as many of these."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Large(InputTest):
    def seconds_to_build(self, links, shape):
        text = "".join(shape % (i, i) for i in range(links))
        source = self.write(f"{links}.xml", dump_of(page_element("Alpha", text, 1),
                                                    page_element("Beta", "[[Alpha]]", 2)))
        start = cpu_seconds_of_children()
        report = self.build(source)
        seconds = cpu_seconds_of_children() - start
        self.assertEqual(report["edges"], 2)
        return seconds, report

    def test_a_million_links_on_one_page(self):
        # To as many missing pages, and to one.
        for shape in "[[Beta]] [[Missing %d|%d]]\n", "[[Beta#%d|%d]] ":
            with self.subTest(shape=shape):
                few, _ = self.seconds_to_build(125000, shape)
                many, report = self.seconds_to_build(1000000, shape)
                counted = 1000000 * shape.count("[[") + 1
                self.assertEqual(sum(report["links"].values()) if isinstance(
                    report["links"], dict) else report["links"], counted)
                # Eight times as much; quadratic would be sixty-four times.
                self.assertLess(many, 24 * max(few, 0.05), (few, many))

    def test_nested_markup(self):
        depth = 60000
        texts = {
            "Templates": "{{" * depth + "[[Beta]]",
            "Closed templates": "{{a|" * depth + "[[Beta]]" + "}}" * depth,
            "Links": "[[" * depth + "Beta]]",
            "Piped": "[[Gamma|" * depth + "[[Beta]]" + "]]" * depth,
            "Files": "[[File:x|" * depth + "[[Beta]]" + "]]" * depth,
            "Comments": "<!--" * depth + "-->[[Beta]]",
            "Unclosed comments": "[[Beta]]" + "<!-- " * depth,
            "Nowiki": "<nowiki>" * depth + "</nowiki>[[Beta]]",
            "Unclosed nowiki": "[[Beta]]" + "<nowiki>" * depth,
            "Math and source": "[[Beta]]" + "<math><source><pre>" * depth,
            "Refs": "<ref>" * depth + "[[Beta]]" + "</ref>" * depth,
            "Tags": "<" * depth + "[[Beta]]" + ">" * depth,
            "Tables": "{|\n|" * depth + "[[Beta]]" + "\n|}" * depth,
            "Quotes": "'" * depth + "[[Beta]]" + "'" * depth,
            "Entities": "&" * depth + "[[Beta]]" + "&#x10FFFF;" * depth,
            "Headings": "=" * depth + "[[Beta]]" + "=" * depth,
            "Brackets": "[http://x " * depth + "[[Beta]]" + "]" * depth,
            "Braces": "{" * depth + "[[Beta]]" + "}" * depth,
        }
        pages = [page_element(title, text, 10 + i)
                 for i, (title, text) in enumerate(texts.items())]
        pages += [page_element("Beta", "", 1), page_element("Gamma", "", 2)]
        start = cpu_seconds_of_children()
        report = self.build(self.write("nested.xml", dump_of(*pages)))
        self.assertLess(cpu_seconds_of_children() - start, PATIENCE_S / 10)
        self.assertEqual(report["pages"], len(texts) + 2)
        # What a reader of the pages makes of them is bounded as well.
        with Daemon(self.output) as daemon, daemon.connect() as rpc:
            for title, text in texts.items():
                with self.subTest(title=title):
                    start = time.monotonic()
                    self.assertEqual(rpc.call("page", title, "wikitext")["text"], text)
                    rpc.call("page", title, "text")
                    self.assertLess(time.monotonic() - start, PATIENCE_S / 4)
            found = set(rpc.call("backlinks", "Beta", 100)["titles"])
            self.assertLessEqual({"Unclosed comments", "Refs", "Quotes", "Tags", "Headings"}, found)


class Edges(InputTest):
    def refuse_edges(self, content, *words, name="graph.tsv"):
        self.refuse_bytes(content, *words, name=name, options=["--edges"])

    def test_numbers(self):
        good = "# a comment\n1 2\n2 3\n\n"
        self.refuse_edges(good + "3 -4\n", 'line 5: negative number: "-4"')
        self.refuse_edges(good + "-3\t4\n", 'line 5: negative number: "-3"')
        self.refuse_edges(good + "1 9223372036854775808\n",
                          'line 5: number over 2^63 - 1: "9223372036854775808"')
        self.refuse_edges(good + "1 " + "9" * 500 + "\n", 'line 5: number over 2^63 - 1: "9999')
        self.refuse_edges(good + "7\n", "line 5: a number is missing")
        self.refuse_edges(good + "7", "line 5: a number is missing")
        self.refuse_edges(good + "7 eight\n", 'line 5: text where a number was expected: "eight"')
        self.refuse_edges(good + "7 8x\n", 'line 5: text where a number was expected: "8x"')
        self.refuse_edges(good + "7 8.5\n", 'line 5: text where a number was expected: "8.5"')
        self.refuse_edges(good + "0x7 8\n", 'line 5: text where a number was expected: "0x7"')
        self.refuse_edges(good + "7 +8\n", 'line 5: text where a number was expected: "+8"')
        self.refuse_edges("-1 2\n", 'line 1: negative number: "-1"')

    def test_the_largest_number(self):
        report = self.build(self.write("g.tsv", "9223372036854775807 0\r\n0 5"), "--edges")
        self.assertEqual((report["pages"], report["edges"]), (3, 2))

    def test_no_edge(self):
        for content in "# nothing\n\n%\n", "\n", "\ufeff", "#":
            with self.subTest(content=content):
                self.refuse_edges(content, "no edge in it")

    def test_titles(self):
        good = "Alpha\tBeta\n"
        self.refuse_edges(good + "Alpha Beta\n", "line 2: the tab between two titles is missing")
        self.refuse_edges(good + "Alpha\t\n", "line 2: an empty title")
        self.refuse_edges(good + "\tAlpha\n", "line 2: an empty title")
        self.refuse_edges(good + "A" * 10000 + "\tBeta\n",
                          "line 2: a title of 10000 bytes, more than 1024")
        self.refuse_edges(good.encode() + b"Al\xffpha\tBeta\n",
                          "line 2: a title that is not valid UTF-8")

    def test_binary(self):
        self.refuse_edges(bytes(range(1, 256)) * 20, "line ")
        self.refuse_edges(bytes(3 << 20), "line 1: ")
        self.refuse_edges("1 2\n" + "3" * (3 << 20), "line 2: longer than ")

    def test_compressed(self):
        whole = gzip.compress(b"".join(b"%d %d\n" % (i, i + 1) for i in range(5000)))
        self.refuse_edges(whole[:-9], "the file is cut off: gzip stream 1", name="graph.gz")
        self.refuse_edges(gzip.compress(b"1 2\n3 -3\n"), "line 2: negative number",
                          name="graph.gz")

    def test_a_dump_as_edges(self):
        self.refuse_edges(small_dump(), "line 1: ")

    def test_edges_as_a_dump(self):
        self.refuse_bytes("1 2\n2 3\n", "not a MediaWiki export", name="graph.tsv")

    def test_matrix_market(self):
        banner = "%%MatrixMarket matrix coordinate pattern general\n"
        cases = {
            "%%MatrixMarket\n": "line 1: bad banner",
            "%%MatrixMarket vector coordinate real general\n1 1 1\n": "line 1: bad banner",
            "%%MatrixMarket matrix array real general\n2 2\n": "line 1: array format",
            "%%MatrixMarket matrix sparse real general\n2 2 1\n1 2\n": "line 1: bad banner",
            "%%MatrixMarket matrix coordinate complex general\n2 2 1\n1 2 1 0\n":
                "line 1: complex entries are not supported",
            "%%MatrixMarket matrix coordinate quaternion general\n2 2 1\n":
                "line 1: bad banner: entries are not pattern, real or integer",
            "%%MatrixMarket matrix coordinate real hermitian\n2 2 1\n1 2 1\n":
                "line 1: bad banner: the matrix is not general or symmetric",
            banner: "the file ends before the size of the matrix",
            banner + "% only comments\n": "the file ends before the size of the matrix",
            banner + "2 2\n": "line 2: a number is missing",
            banner + "2 x 1\n": 'line 2: text where a number was expected: "x"',
            banner + "2 3 1\n1 2\n":
                "line 2: 2 rows and 3 columns: the matrix of a graph is square",
            banner + "2147483648 2147483648 1\n1 2\n": "line 2: more than 2^31 - 1 vertices",
            banner + "2 2 0\n": "line 2: no edge in it",
            banner + "2 2 1\n0 1\n": "line 3: index 0 is not between 1 and 2",
            banner + "2 2 1\n1 3\n": "line 3: index 3 is not between 1 and 2",
            banner + "2 2 1\n-1 2\n": 'line 3: negative number: "-1"',
            banner + "2 2 1\n1\n": "line 3: a number is missing",
            banner + "2 2 2\n1 2\n": "the file ends after 1 of 2 entries",
            banner + "2 2 1\n1 2\n%\n2 1\n": "line 5: more entries than the 1 announced",
        }
        for content, words in cases.items():
            with self.subTest(content=content):
                self.refuse_edges(content, words, name="graph.mtx")
        report = self.build(self.write("good.mtx", banner + "% fine\n3 3 2\n1 2\n3 1\n"), "--edges")
        self.assertEqual((report["pages"], report["edges"]), (3, 2))


if __name__ == "__main__":
    unittest.main()
