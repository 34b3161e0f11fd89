# SPDX-License-Identifier: MIT
"""What the tests of bad input share: small dumps, and builds that are refused in a folder that stays
as it was."""
import json
import os
import shutil
import tempfile
import unittest

from harness import FORKLORED, page_element, run, scratch

OPENING = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" xml:lang="en">\n'
CLOSING = "</mediawiki>\n"
OLD_INDEX = b"what was built the last time"


def dump_of(*pages):
    return OPENING + "\n".join(pages) + "\n" + CLOSING


def wiki_of(text, title="Alpha"):
    return dump_of(page_element(title, text, 1))


class InputTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="input.", dir=scratch())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.output = self.path("out.flk")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        return self.path(name)

    def names(self):
        return sorted(os.listdir(self.folder))

    def assert_refused(self, done, *words):
        """Status 4, nothing on stdout, one sentence on stderr with these words."""
        said = done.stderr.decode()
        self.assertEqual(done.returncode, 4, said)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(said, r"\Aforklored: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, said)
        return said

    def refuse(self, source, *words, options=(), replaces=(False, True), **how):
        """The build is refused and the folder is as before, with an older output and without."""
        before = self.names()
        for older in replaces if isinstance(replaces, tuple) else [replaces]:
            self.assertNotIn("out.flk", before)
            if older:
                self.write("out.flk", OLD_INDEX)
            done = run(FORKLORED, "build", "-q", source, "-o", self.output, *options, **how)
            self.assert_refused(done, source, *words)
            if older:
                with open(self.output, "rb") as kept:
                    self.assertEqual(kept.read(), OLD_INDEX)
                os.remove(self.output)
            self.assertEqual(self.names(), before)

    def refuse_bytes(self, content, *words, name="dump.xml", **how):
        self.refuse(self.write(name, content), *words, **how)

    def build(self, source, *options):
        """A build that works; its report."""
        done = run(FORKLORED, "build", "-q", "--json", source, "-o", self.output, *options)
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
        verified = run(FORKLORED, "verify", self.output)
        self.assertEqual((verified.returncode, verified.stderr.decode()), (0, ""))
        return json.loads(done.stdout)
