# SPDX-License-Identifier: MIT
"""Short of memory, everything ends with a sentence, or is done: under a limit of address space, and in
a memory cgroup, whose limit the kernel enforces by killing."""
import os
import re
import resource
import subprocess
import tempfile
import time
import unittest

from harness import (FORKLORED, PATIENCE_S, UNDER, Connection, Daemon, RpcError, children, scratch,
                     synthetic_index, wait_for)

MIB = 1 << 20


class Asked:
    """What a daemon answers that may not have the memory for it."""

    def __init__(self, test, path, log):
        self.test, self.path, self.log = test, path, log
        self.rpc = Connection(path)
        self.title = self.rpc.call("top", 1)[0]["title"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.rpc.close()

    def ask(self, method, *params):
        """The answer, or None for one that says, or whose end of the connection says, what lacks."""
        try:
            return self.rpc.call(method, *params)
        except RpcError as error:
            self.test.assertIn("memory", error.message)
        except EOFError:
            self.test.assertRegex(self.log(), "event=dropped .*memory")
            self.rpc.close()
            self.rpc = Connection(self.path)
        return None

    def job(self):
        """Whether it was done."""
        job = self.ask("submit", "pagerank")
        if not job:
            return False
        state = wait_for(lambda: self.ended(job["job"]), "the job's end")
        self.test.assertIn(state["state"], ("done", "failed"), state)
        if state["state"] == "failed":
            self.test.assertIn("memory", state["error"])
        return state["state"] == "done"

    def ended(self, job):
        state = self.ask("job", job)
        return state if state and state["state"] not in ("queued", "running") else None

    def still_serves(self):
        self.test.assertEqual(self.rpc.call("top", 1)[0]["title"], self.title)


@unittest.skipIf(UNDER, "a sanitizer reserves memory of its own")
class AddressSpace(unittest.TestCase):
    """RLIMIT_AS, from too little to enough."""

    @staticmethod
    def limit(kib):
        resource.setrlimit(resource.RLIMIT_AS, (kib << 10, kib << 10))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def test_build_and_verify(self):
        folder = tempfile.mkdtemp(prefix="m.", dir=scratch())
        index = os.path.join(folder, "index.flk")
        dump = synthetic_index(2000, 11)[:-4] + ".xml"
        results = set()
        for mib in (6, 8, 10, 12, 16, 20, 28, 40, 60, 100, 160, 400, 1000):
            done = subprocess.run(
                [FORKLORED, "build", "-q", dump, "-o", index], capture_output=True,
                timeout=PATIENCE_S, preexec_fn=lambda kib=mib << 10: self.limit(kib))
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

    def serve(self, kib):
        """Whether it gets as far as serving; if so, it answers or says why not, and lives."""
        path, log = os.path.join(scratch(), "little"), os.path.join(scratch(), "little.log")

        def said():
            with open(log, "rb") as text:
                return text.read().decode()
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [FORKLORED, "--index", synthetic_index(2000), "--socket", path, "--workers",
                 "processes:2"], preexec_fn=lambda: self.limit(kib), stderr=out)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for(lambda: "event=serving" in said() or process.poll() is not None, "a start")
        serves = "event=serving" in said()
        with self.subTest(kib=kib):
            if serves:
                with Asked(self, path, said) as asked:
                    for method, *params in (("page", asked.title), ("related", asked.title),
                                            ("search", asked.title), ("export", "links", 0, 10000),
                                            ("reload",)):
                        asked.ask(method, *params)
                    asked.job()
                    asked.still_serves()
                process.terminate()
            # 127: not even the loader had enough.
            self.assertIn(process.wait(PATIENCE_S), (0,) if serves else (1, 127), said())
            self.assertNotIn("killed by signal", said())
        return serves

    def test_serve(self):
        coarse = range(8 << 10, 65 << 10, 4 << 10)
        enough = next((kib for kib in coarse if self.serve(kib)), None)
        self.assertIsNotNone(enough)
        self.assertGreater(enough, coarse[0], "the limits show nothing")
        # Just not enough, in whatever place; just enough to serve, but not for all that is asked.
        for kib in range(enough - (4 << 10), enough + (6 << 10), 512):
            self.serve(kib)


def score_of(pid):
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as score:
        return int(score.read())


class Cgroup:
    """A memory cgroup of its own, of version 2 or 1, below the one that this process is in, or as near
    to it as this user may and memory can be divided."""

    def __init__(self):
        self.folder = None
        with open("/proc/self/cgroup", encoding="ascii") as lines:
            for line in lines:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if not controllers:
                    self.make("/sys/fs/cgroup", path, "memory.max", "memory.current")
                elif "memory" in controllers.split(","):
                    self.make("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes",
                              "memory.usage_in_bytes")
        if not self.folder:
            raise OSError("no memory cgroup here that this user may divide")

    def make(self, mount, path, limit, usage):
        while not self.folder:
            try:
                folder = tempfile.mkdtemp(prefix="forklore-test.", dir=mount + path)
            except OSError:
                pass
            else:
                # Version 2 has these files only where the cgroup above gives memory to those below.
                if os.path.exists(os.path.join(folder, limit)):
                    self.folder, self.limit_file, self.usage_file = folder, limit, usage
                else:
                    os.rmdir(folder)
            if path == "/":
                return
            path = os.path.dirname(path)

    def write(self, name, value):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as out:
            out.write(str(value))

    def usage(self):
        with open(os.path.join(self.folder, self.usage_file), encoding="ascii") as text:
            return int(text.read())

    def limit(self, size):
        self.write(self.limit_file, size)

    def enter(self, pid="0"):
        self.write("cgroup.procs", pid)

    def remove(self):
        def gone():
            try:
                os.rmdir(self.folder)
            except OSError:
                return False
            return True
        wait_for(gone, "the end of all that ran in the cgroup")


@unittest.skipIf(UNDER, "a sanitizer takes memory of its own")
class Cgroups(unittest.TestCase):
    PAGES = 20000  # an index of some 15 MiB in memory
    WORKERS = ("--workers", "processes:2")

    def setUp(self):
        try:
            self.cgroup = Cgroup()
        except OSError as error:
            self.skipTest(f"needs a memory cgroup: {error}")
        self.addCleanup(self.cgroup.remove)
        self.index = synthetic_index(self.PAGES)

    def daemon(self):
        script = 'echo 0 >"$1" && shift && { echo -500 >/proc/self/oom_score_adj; } 2>/dev/null; exec "$@"'
        daemon = Daemon(self.index, *self.WORKERS, under=(
            "sh", "-c", script, "sh", os.path.join(self.cgroup.folder, "cgroup.procs")))
        self.addCleanup(daemon.kill)
        return daemon

    def test_a_start(self):
        """Refused with a sentence, at whatever step; nothing is left. Or it serves."""
        path, results = os.path.join(scratch(), "little"), []
        for mib in range(6, 41, 2):
            self.cgroup.limit(mib * MIB)
            process = subprocess.Popen(
                [FORKLORED, "--index", self.index, "--socket", path, *self.WORKERS],
                preexec_fn=self.cgroup.enter, stderr=subprocess.PIPE)
            line = b""
            while line := process.stderr.readline():
                if b"event=serving" in line or b"error=" in line:
                    break
            if b"event=serving" in line:
                process.terminate()
            said = line + process.communicate(timeout=PATIENCE_S)[1]
            results.append(b"event=serving" in line)
            with self.subTest(mib=mib):
                self.assertEqual(process.returncode, 0 if results[-1] else 1, said)
                if not results[-1]:
                    self.assertRegex(said, b"cannot reserve .* memory cgroup has")
                    owner = re.search(rb"forklore\.\d+\.\w+", said)[0].decode()
                    self.assertEqual([name for name in os.listdir("/dev/shm") if owner in name], [])
        self.assertEqual((results[0], results[-1]), (False, True), "the limits show nothing")

    def test_reloads_and_jobs(self):
        """What does not fit is refused, and what is served goes on; with enough it fits."""
        daemon = self.daemon()
        reloads, jobs = [], []
        with Asked(self, daemon.path, daemon.log) as asked:
            room = MIB
            while not (reloads and reloads[-1] and jobs[-1]):
                self.assertLess(room, 64 * MIB, "it never fits")
                self.cgroup.limit(self.cgroup.usage() + room)
                time.sleep(0.02)  # what was seen of a limit far away holds for 10 ms
                jobs.append(asked.job())
                reloads.append(asked.ask("reload") is not None)
                self.assertIsNone(daemon.process.poll(), "the coordinator was killed")
                asked.still_serves()
                room += 2 * MIB
        self.assertIn(False, jobs, "the limits show nothing for jobs")
        self.assertIn(False, reloads, "the limits show nothing for reloads")
        daemon.stop()

    def test_workers(self):
        """One that the kernel kills for its cgroup's limit is replaced, and nobody notices."""
        tight = Cgroup()
        self.addCleanup(tight.remove)
        tight.limit(0)  # who comes in may keep what it has; more it does not get
        with self.daemon() as daemon, daemon.connect() as rpc:
            title = rpc.call("top", 1)[0]["title"]
            victim = children(daemon.process.pid)[-1]  # at work for the first time
            tight.enter(victim)
            # Both are at work, so the other cannot do all of it; and each has to make its tables.
            asked = list(range(100, 108))
            for msgid in asked:
                rpc.send([0, msgid, "related", {"titles": [title], "epsilon": 1e-7}])
            answers = [rpc.receive() for _ in asked]
            self.assertEqual(sorted(answer[1] for answer in answers), asked)
            for answer in answers:
                self.assertEqual(answer[2:], [None, answers[0][3]])
            wait_for(lambda: len(set(children(daemon.process.pid)) - {victim}) == 2, "a successor")
            self.assertEqual(daemon.log().count("killed by signal 9"), 1)
            self.assertEqual(daemon.log().count("event=died"), 1)

    def test_a_protected_coordinator(self):
        """As by OOMScoreAdjust= of the service. Its workers are not."""
        daemon = self.daemon()
        if score_of(daemon.process.pid) == 0:
            daemon.stop()
            self.skipTest("needs CAP_SYS_RESOURCE")
        self.assertEqual([score_of(pid) for pid in children(daemon.process.pid)], [0, 0])
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
