# SPDX-License-Identifier: MIT
"""Workers of a running daemon are in their sandbox (tests/sandbox_test.c says what that is worth)."""
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

    def test_none_where_none_is_wanted_or_possible(self):
        for options in ("--no-sandbox",), ("--workers", "threads:2"):
            with Daemon(small_index(), *options) as daemon, daemon.connect() as rpc:
                self.assertEqual(rpc.call("status")["sandbox"], "none")
                for pid in children(daemon.process.pid) or [daemon.process.pid]:
                    self.assertEqual(confinement(pid), ("0", "0"))


if __name__ == "__main__":
    unittest.main()
