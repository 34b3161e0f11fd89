#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Instructions, counted by callgrind, where seconds would be noise: a link in the PageRank kernel,
a record through a ring, a lookup of a title (bench/counts.c). The bounds are what gcc 12 and clang
14 make of them and a quarter more, so that they hold for other compilers and other libcs; what
takes a quarter more instructions than it did is a change that somebody should have meant. Whoever
makes one of them cheaper lowers the bound."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD, FORKLORED, UNDER, scratch

# Of one of them: what was counted (the higher one of the two compilers), on the wiki below.
COUNTED = {
    "links, plain": 4.95,
    "links, avx2": 4.00,
    "records": 138,
    "lookups": 522,
}
REFERENCE = "links, plain loop"
SLACK = 1.25


def counted():
    """Name -> (how many times it was done, instructions of all together)."""
    with tempfile.TemporaryDirectory(prefix="forklore-counts.", dir=scratch()) as folder:
        path = {name: os.path.join(folder, name) for name in ("xml", "flk", "counts", "out")}
        subprocess.run([FORKLORED, "generate", "wiki", "--pages", "3000", "--words", "10",
                        "--links", "30", "-o", path["xml"]], check=True)
        subprocess.run([FORKLORED, "build", "-q", path["xml"], "-o", path["flk"]], check=True)
        # Without what valgrind may not be able to read: clang's debugging information.
        subprocess.run(["objcopy", "--strip-debug", os.path.join(BUILD, "bench", "counts"),
                        path["counts"]], check=True)
        done = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--collect-atstart=no",
             f"--callgrind-out-file={path['out']}", path["counts"], path["flk"]],
            capture_output=True, text=True, check=True)
        times = {name: int(count) for name, count in
                 (line.rsplit(" ", 1) for line in done.stdout.splitlines())}
        instructions = {}
        for name in os.listdir(folder):
            if name.startswith("out."):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text = file.read()
                what = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
                total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
                instructions[what.group(1)] = int(total.group(1))
    return {name: (times[name], instructions[name]) for name in times}


@unittest.skipIf(UNDER, "a sanitizer's instructions are not the program's")
@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Counts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = counted()

    def each(self, name):
        times, instructions = self.found[name]
        return instructions / times

    def test_nothing_takes_more_than_it_did(self):
        for name in self.found.keys() - {REFERENCE}:
            with self.subTest(name):
                self.assertLess(self.each(name), COUNTED[name] * SLACK)

    def test_the_work_was_counted(self):
        self.assertLessEqual({REFERENCE, "links, plain", "records", "lookups"}, set(self.found))
        for name in self.found.keys() - {REFERENCE}:
            with self.subTest(name):
                self.assertGreater(self.each(name), COUNTED[name] / 3)

    def test_vectors_beat_a_plain_loop(self):
        for name in self.found.keys() - {REFERENCE, "links, plain", "records", "lookups"}:
            with self.subTest(name):
                self.assertLess(self.each(name), 0.9 * self.each(REFERENCE))


if __name__ == "__main__":
    unittest.main()
