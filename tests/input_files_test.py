# SPDX-License-Identifier: MIT
"""Files and folders that `forklored build` cannot read or write: it says which and why, and leaves
nothing behind."""
import os
import resource
import socket
import subprocess
import unittest

from harness import FORKLORED, PAGES, page_element, run, small_dump, without_root_powers
from input_fixture import InputTest, dump_of


def small_files_only(limit):
    def before_exec():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return before_exec


def can_mount():
    return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"],
                          capture_output=True, check=False).returncode == 0


class Files(InputTest):
    def setUp(self):
        super().setUp()
        self.dump = self.write("dump.xml", small_dump())

    def test_input_that_cannot_be_read(self):
        self.refuse(self.path("missing.xml"), "cannot open: No such file or directory")
        self.refuse(os.path.join(self.dump, "x"), "cannot open: Not a directory")
        os.mkdir(self.path("folder"))
        self.refuse(self.path("folder"), "is a directory, not a file")
        self.refuse(self.write("empty.xml", b""), "the file is empty")
        self.refuse(self.write("empty.tsv", b""), "the file is empty", options=["--edges"])
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("socket"))
            self.refuse(self.path("socket"), "cannot open: No such device or address")
        os.symlink("loop", self.path("loop"))
        self.refuse(self.path("loop"), "cannot open: Too many levels of symbolic links")

    def test_input_that_is_forbidden(self):
        os.chmod(self.dump, 0)
        self.refuse(self.dump, "cannot open: Permission denied", preexec_fn=without_root_powers)

    def refuse_output(self, output, *words, **how):
        before = self.names()
        done = run(FORKLORED, "build", "-q", self.dump, "-o", output, **how)
        self.assert_refused(done, *words)
        self.assertEqual(self.names(), before)

    def test_output_that_cannot_be(self):
        missing = self.path("missing")
        self.refuse_output(os.path.join(missing, "out.flk"), missing, "No such file or directory")
        self.refuse_output(os.path.join(self.dump, "out.flk"), self.dump, "Not a directory")
        os.mkdir(self.path("folder"))
        self.refuse_output(self.path("folder"), self.path("folder"), "is a directory, not a file")
        self.refuse_output(self.path("folder") + "/", "is a directory, not a file")
        self.refuse_output(self.path("missing") + "/", missing, "No such file or directory")
        self.assertEqual(os.listdir(self.path("folder")), [])
        self.refuse_output(self.path("x" * 300), "File name too long")
        self.refuse_output(self.dump, "the index would replace its own input")
        os.link(self.dump, self.path("second name"))
        self.refuse_output(self.path("second name"), "the index would replace its own input")
        with open(self.dump, "rb") as whole:
            self.assertEqual(whole.read(), small_dump().encode())

    def test_output_in_a_folder_that_is_forbidden(self):
        os.mkdir(self.path("locked"), 0o555)
        self.refuse_output(self.path("locked/out.flk"), self.path("locked"), "Permission denied",
                           preexec_fn=without_root_powers)
        self.assertEqual(os.listdir(self.path("locked")), [])

    def test_output_that_is_no_file(self):
        """A device or a pipe has the name of something else: it is not replaced by an index."""
        os.mkfifo(self.path("pipe"))
        self.refuse_output(self.path("pipe"), self.path("pipe"), "not a regular file")
        self.assertTrue(os.path.exists(self.path("pipe")))
        self.assertFalse(os.path.isfile(self.path("pipe")))

    def test_files_may_not_be_large(self):
        """`ulimit -f`: in the article text already, and in the index only."""
        large = self.write("large.xml", dump_of(*(
            page_element(f"Page {i}", os.urandom(3000).hex(), i) for i in range(400))))
        middling = self.write("middling.xml", dump_of(*(
            page_element(f"Page {i}", os.urandom(3000).hex(), i) for i in range(420, 840))))
        # Segments of the scores' computation are files as well, of a little more than 1 MiB.
        for source, limit in (large, 1100000), (middling, 1300000):
            with self.subTest(limit=limit):
                before = self.names()
                done = run(FORKLORED, "build", "-q", source, "-o", self.output,
                           preexec_fn=small_files_only(limit))
                self.assert_refused(done, self.folder, "File too large")
                self.assertEqual(self.names(), before)

    def test_disk_full(self):
        if not can_mount():
            self.skipTest("needs a mount namespace of its own")
        os.mkdir(self.path("disk"))
        large = self.write("large.xml", dump_of(*(
            page_element(f"Page {i}", os.urandom(1000).hex(), i) for i in range(400))))
        # In the article text; in the index, which is there beside the text for a moment.
        for size in "200k", "600k":
            with self.subTest(size=size):
                done = run("unshare", "-m", "sh", "-c",
                           'mount -t tmpfs -o size="$1" none "$2" || exit 99; '
                           'cd "$2"; echo old >out.flk; "$3" build -q "$4" -o "$2/out.flk"; '
                           's=$?; ls -A; cat out.flk; exit $s',
                           "sh", size, self.path("disk"), FORKLORED, large)
                said = done.stderr.decode()
                self.assertEqual(done.returncode, 4, said)
                self.assertRegex(said, r"\Aforklored: [^\n]*/disk[^\n]*"
                                       r": No space left on device\n\Z")
                self.assertEqual(done.stdout, b"out.flk\nold\n")
        self.assertEqual(os.listdir(self.path("disk")), [])

    def test_generate_says_why_not(self):
        done = run(FORKLORED, "generate", "wiki", "--pages", "10", "-o",
                   self.path("missing/out.xml"))
        self.assert_refused(done, "cannot write", "missing/out.xml", "No such file or directory")
        done = run(FORKLORED, "generate", "wiki", "--pages", "2000", "-o", self.output,
                   preexec_fn=small_files_only(100000))
        self.assert_refused(done, self.output, "File too large")
        self.assertFalse(os.path.exists(self.output))
        # A device that takes nothing stays where it is.
        os.symlink("/dev/full", self.path("full"))
        done = run(FORKLORED, "generate", "wiki", "--pages", "10", "-o", self.path("full"))
        self.assert_refused(done, self.path("full"), "No space left on device")
        self.assertTrue(os.path.islink(self.path("full")))

    def test_the_small_wiki_is_good(self):
        """What all of these differ from."""
        self.assertEqual(self.build(self.dump)["pages"], len(PAGES))


if __name__ == "__main__":
    unittest.main()
