# SPDX-License-Identifier: MIT
"""What the tests of starting and stopping share: daemons at paths of the test's choice, in a folder
whose content the test knows."""
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import Daemon, FORKLORED, PATIENCE_S, run, scratch, small_index


class At(Daemon):
    """A daemon at a socket path of the test's choice."""

    def __init__(self, path, *arguments, env=None, cwd=None, serves=True, **how):
        self.folder, self.path, self.prefixes = os.path.dirname(path), path, set()
        handle, self.log_path = tempfile.mkstemp(prefix="log.", dir=scratch())
        self.process = subprocess.Popen(
            [FORKLORED, *arguments], stdin=subprocess.DEVNULL, stdout=handle, stderr=handle,
            env={**os.environ, **(env or {})}, cwd=cwd, **how)
        os.close(handle)
        try:
            if serves:
                self.wait_until_it_serves()
        except BaseException:
            self.kill()
            raise

    def wait(self, seconds=PATIENCE_S):
        return self.process.wait(seconds)


class StartTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="s.", dir=scratch())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "socket")
        self.index = small_index()

    def names(self):
        return sorted(os.listdir(self.folder))

    def refuse(self, status, *words, arguments=None, **how):
        """The start fails with this status and these words, and leaves the folder as it was."""
        before = self.names()
        if arguments is None:
            arguments = ["--socket", self.path, "--index", self.index]
        done = run(FORKLORED, *arguments, **how)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        self.assertEqual(done.stdout, b"")
        lines = [line for line in said.splitlines() if not line.startswith("Try ")]
        self.assertEqual(len(lines), 1, said)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(self.names(), before)
        return said

    def assert_serves(self, daemon):
        with daemon.connect() as rpc:
            self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
