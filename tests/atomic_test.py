# SPDX-License-Identifier: MIT
"""Killed at any moment, an index file is the old one or the new one, and a daemon leaves nothing that
the next one does not clear away."""
import hashlib
import os
import random
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


if __name__ == "__main__":
    unittest.main()
