# SPDX-License-Identifier: MIT
"""Workers of a running daemon are in their sandbox (tests/sandbox_test.c says what that is worth)."""
import os
import re
import unittest

from crash_test import children, name_of
from harness import Daemon, small_index

LAYERS = ("seccomp+landlock", "seccomp", "landlock")  # that some kernel has


def confinement(pid):
    try:
        status = open(f"/proc/{pid}/status", encoding="utf-8")
    except OSError:
        return None  # it has gone
    with status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    return fields["Seccomp"], fields["NoNewPrivs"]


def descriptors(pid):
    """What it has open but for the standard ones."""
    folder = f"/proc/{pid}/fd"
    return [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder) if int(fd) > 2]


def writable_segments(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return {line.split("/dev/shm/")[1].split()[0] for line in maps
                if "/dev/shm/forklore" in line and "w" in line.split()[1]}


class Confined(unittest.TestCase):
    def workers(self, daemon, name):
        return [pid for pid in children(daemon.process.pid) if name_of(pid) == name]

    def test_workers_of_queries_and_jobs(self):
        with Daemon(small_index(), "--workers", "processes:2") as daemon, daemon.connect() as rpc:
            self.assertIn(rpc.call("status")["sandbox"], LAYERS)
            self.assertIn("sandbox=" + rpc.call("status")["sandbox"], daemon.log())
            found = self.workers(daemon, "forklore-worker")
            self.assertEqual(len(found), 2)
            for pid in found:
                self.assertEqual(confinement(pid), ("2", "1"))
            self.assert_nothing_but_their_own(found)
            seen, job = set(), {"state": "done", "id": 0}
            while not seen:
                if job["state"] not in ("queued", "running"):  # it was too quick for us
                    job["id"] = rpc.call("submit", tolerance=0, iterations=100000)["job"]
                for pid in self.workers(daemon, "forklore-job"):
                    # Its first moments are spent outside.
                    if confinement(pid) == ("2", "1"):
                        seen.add(pid)
                job = rpc.call("job", job["id"])
            rpc.call("cancel", job["id"])
            self.assertEqual(confinement(daemon.process.pid), ("0", "0"))
            # What they serve with: text from the file, and memory for it.
            self.assertIn("leads to", str(rpc.call("page", "Alpha", "text")))

    def assert_nothing_but_their_own(self, workers):
        """They write to their channel and to the coordinator's bell, and read the index."""
        channels = set()
        for pid in workers:
            for link in descriptors(pid):
                self.assertRegex(link, r"\Aanon_inode:|/small\.flk\Z")
            writable = writable_segments(pid)
            own = {name for name in writable if re.search(r"-worker[0-9]+\Z", name)}
            self.assertEqual(len(own), 1, writable)
            self.assertEqual([name.rpartition(".")[2] for name in writable - own], ["bell"])
            channels |= own
        self.assertEqual(len(channels), len(workers))

    def test_none_where_none_is_wanted_or_possible(self):
        for options in ("--no-sandbox",), ("--workers", "threads:2"):
            with Daemon(small_index(), *options) as daemon, daemon.connect() as rpc:
                self.assertEqual(rpc.call("status")["sandbox"], "none")
                for pid in children(daemon.process.pid) or [daemon.process.pid]:
                    self.assertEqual(confinement(pid), ("0", "0"))


if __name__ == "__main__":
    unittest.main()
