# SPDX-License-Identifier: MIT
"""Killed at any moment, an index file is the old one or the new one, and a daemon leaves nothing that
the next one does not clear away; short of memory, everything ends with a sentence."""
import hashlib
import os
import random
import resource
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from crash_test import alive, children
from harness import (FORKLORED, PATIENCE_S, UNDER, Daemon, run, scratch, small_index,
                     synthetic_index)

ROUNDS = 4 if UNDER else 12


def digest(path):
    with open(path, "rb") as data:
        return hashlib.sha256(data.read()).digest()


class Killed(unittest.TestCase):
    def test_builds(self):
        folder = tempfile.mkdtemp(prefix="k.", dir=scratch())
        index, new = os.path.join(folder, "index.flk"), os.path.join(scratch(), "new.flk")
        dump = synthetic_index(2000, 11)[:-4] + ".xml"
        shutil.copy(small_index(), index)
        began = time.monotonic()
        done = run(FORKLORED, "build", dump, "-o", new)
        took_s = time.monotonic() - began
        self.assertEqual(done.returncode, 0)
        old, chance, survived = digest(index), random.Random(1), 0
        for round_number in range(ROUNDS):
            process = subprocess.Popen([FORKLORED, "build", "-q", dump, "-o", index],
                                       stderr=subprocess.DEVNULL)
            # The last moments, of writing and renaming, are the interesting ones.
            time.sleep(took_s * (1 - chance.random() ** 2 / 2))
            process.kill()
            process.wait()
            survived += digest(index) == old
            with self.subTest(round=round_number):
                self.assertEqual(run(FORKLORED, "verify", index).returncode, 0)
                self.assertEqual(os.listdir(folder), ["index.flk"])
            shutil.copy(small_index(), index)
        self.assertEqual(run(FORKLORED, "build", "-q", dump, "-o", index).returncode, 0)
        self.assertNotEqual(digest(index), old)
        self.assertGreater(survived, 0, "never killed before the end: the test shows nothing")

    def test_reloads(self):
        chance = random.Random(2)
        for _ in range(ROUNDS // 2):
            daemon = Daemon(synthetic_index(2000), "--workers", "processes:2")
            over = threading.Event()

            def reload_again(rpc=daemon.connect()):
                try:
                    while not over.is_set():
                        rpc.call("reload")
                except (EOFError, OSError):
                    pass
                rpc.close()
            thread = threading.Thread(target=reload_again)
            thread.start()
            time.sleep(0.05 + 0.2 * chance.random())
            workers = children(daemon.process.pid)
            daemon.process.kill()
            daemon.process.wait()
            over.set()
            thread.join()
            deadline = time.monotonic() + PATIENCE_S
            while any(alive(pid) for pid in workers):
                self.assertLess(time.monotonic(), deadline, "workers are left")
                time.sleep(0.01)
            with Daemon(small_index()) as after, after.connect() as rpc:
                self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
                self.assertEqual(daemon.leftovers(), [])


class ReloadUnderLoad(unittest.TestCase):
    def test_no_request_is_lost(self):
        with Daemon(synthetic_index(2000), "--workers", "processes:2") as daemon, \
                daemon.connect() as rpc, daemon.connect() as other:
            titles = [page["title"] for page in rpc.call("top", 100)]
            wanted = {title: rpc.call("links", title) for title in titles}
            for _ in range(ROUNDS):
                msgid = next(other.ids)
                other.send([0, msgid, "reload", []])
                asked = {}
                for title in titles:
                    asked[next(rpc.ids)] = title
                for number, title in asked.items():
                    rpc.send([0, number, "links", [title]])
                while asked:
                    _, number, error, result = rpc.receive()
                    self.assertIsNone(error)
                    self.assertEqual(result, wanted[asked.pop(number)])
                other.answer(msgid)


@unittest.skipIf(UNDER, "a sanitizer reserves memory of its own")
class LittleMemory(unittest.TestCase):
    """RLIMIT_AS, from too little to enough."""

    def under(self, mib, *command):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return subprocess.run([FORKLORED, *command], preexec_fn=limit, capture_output=True,
                              timeout=PATIENCE_S)

    def test_build_and_verify(self):
        folder = tempfile.mkdtemp(prefix="m.", dir=scratch())
        index = os.path.join(folder, "index.flk")
        dump = synthetic_index(2000, 11)[:-4] + ".xml"
        results = set()
        for mib in (6, 8, 10, 12, 16, 20, 28, 40, 60, 100, 160, 400, 1000):
            done = self.under(mib, "build", "-q", dump, "-o", index)
            with self.subTest(mib=mib):
                # 127: not even the loader had enough.
                self.assertIn(done.returncode, (0, 4, 127), done.stderr)
                self.assertEqual(os.path.exists(index), done.returncode == 0)
                if done.returncode == 4:
                    self.assertRegex(done.stderr.decode(), "memory|allocate|thread")
            results.add(done.returncode)
            if done.returncode == 0:
                os.remove(index)
        self.assertTrue({0, 4} <= results, "the limits show nothing")

    def test_serve(self):
        results = set()
        for mib in (8, 12, 16, 20, 24, 32, 48):
            def limit(mib=mib):
                resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
            process = subprocess.Popen(
                [FORKLORED, "--index", synthetic_index(2000), "--socket",
                 os.path.join(scratch(), "little")], preexec_fn=limit, stderr=subprocess.PIPE)
            line = b""
            while line := process.stderr.readline():
                if b"event=serving" in line:
                    break
            if line:
                process.terminate()
            said = line + process.communicate(timeout=PATIENCE_S)[1]
            with self.subTest(mib=mib):
                self.assertIn(process.returncode, (0, 1, 127), said)
            results.add(bool(line))
        self.assertEqual(results, {True, False}, "the limits show nothing")


if __name__ == "__main__":
    unittest.main()
