# SPDX-License-Identifier: MIT
"""Workers that hang, requests that kill, reads that fail: who pays for it, and who does not."""
import ctypes
import os
import signal
import subprocess
import time
import unittest

from crash_test import alive, children, name_of
from harness import (BUILD, PATIENCE_S, ROOT, UNDER, Daemon, RpcError, scratch, small_index,
                     synthetic_index, wait_for)

SHIM = os.path.join(BUILD, "tests", "shim.so")
HANG = ("--hang-timeout", "1000")


def setUpModule():
    if not UNDER:
        subprocess.run(["make", "-s", os.path.relpath(SHIM, ROOT)], cwd=ROOT, check=True)


def named(daemon, name):
    return [pid for pid in children(daemon.process.pid) if name_of(pid) == name]


class Stopped(unittest.TestCase):
    """SIGSTOP: the worker is there, its rings are there, it does nothing."""

    def setUp(self):
        self.daemon = Daemon(synthetic_index(), "--workers", "processes:2", *HANG)
        self.rpc = self.daemon.connect()

    def tearDown(self):
        self.rpc.close()
        self.daemon.stop()

    def restarts(self):
        return sum(w["restarts"] for w in self.rpc.call("status")["workers"])

    def test_a_query_worker(self):
        titles = [page["title"] for page in self.rpc.call("top", 100)]
        wanted = {title: self.rpc.call("links", title) for title in titles}
        for pid in named(self.daemon, "forklore-worker"):
            os.kill(pid, signal.SIGSTOP)
        # Both are stopped: nobody is there who could take over before they are replaced.
        ids = {}
        for title in titles:
            msgid = next(self.rpc.ids)
            ids[msgid] = title
            self.rpc.send([0, msgid, "links", [title]])
        while ids:
            _, msgid, error, result = self.rpc.receive()
            self.assertIsNone(error)
            self.assertEqual(result, wanted[ids.pop(msgid)])
        self.assertIn("stopped, no sign of life for 1000 ms", self.daemon.log())
        self.assertGreaterEqual(self.restarts(), 1)

    def test_a_job_worker(self):
        options = {"tolerance": 0, "iterations": 3000, "workers": 2}
        quiet = self.rpc.pagerank(**options)
        job = self.rpc.call("submit", **options)["job"]
        self.rpc.call("watch", job)
        workers = wait_for(lambda: named(self.daemon, "forklore-job"), "the job's start")
        os.kill(workers[-1], signal.SIGSTOP)
        while True:
            _, _, [state] = self.rpc.notification()
            if state["id"] == job and state["state"] not in ("queued", "running"):
                break
        self.assertEqual(state["state"], "done", state["error"])
        self.assertEqual(state["top"], quiet["top"])
        self.assertEqual((state["iteration"], state["change"]),
                         (quiet["iteration"], quiet["change"]))
        wait_for(lambda: not alive(workers[-1]), "the stopped worker's end")

    def test_one_that_is_to_leave(self):
        before = {s["name"] for s in self.rpc.call("status")["segments"]}
        stopped = named(self.daemon, "forklore-worker")[0]
        os.kill(stopped, signal.SIGSTOP)
        self.rpc.call("reload")
        wait_for(lambda: not alive(stopped), "the stopped worker's end")
        wait_for(lambda: not before & {"/" + name for name in os.listdir("/dev/shm")},
                 "the old generation's end")


class LateOrLong(unittest.TestCase):
    """What is not done in time is answered in time; what takes long is no hang."""

    def test_a_deadline_while_no_worker_gets_on(self):
        with Daemon(small_index(), "--workers", "processes:2", "--request-timeout", "300") as \
                daemon, daemon.connect() as rpc:
            stopped = named(daemon, "forklore-worker")
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            with self.assertRaises(RpcError) as caught:
                rpc.call("lookup", "Alpha")
            self.assertEqual(caught.exception.code, "deadline")
            self.assertIn("--request-timeout", caught.exception.message)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            # It was answered; what the worker says of it now is said to nobody.
            wait_for(lambda: rpc.call("status")["queue"]["in_flight"] == 0, "the request's end")
            with daemon.connect() as other:
                self.assertEqual(other.call("ping"), "pong")
            self.assertEqual(rpc.call("ping"), "pong")

    @unittest.skipIf(UNDER, "a sanitizer's pauses are not those of the work")
    def test_a_long_query(self):
        with Daemon(synthetic_index(3000, 2), "--workers", "processes:1", *HANG,
                    "--request-timeout", "4000") as daemon, daemon.connect() as rpc:
            titles = [page["title"] for page in rpc.call("top", 100)]
            with self.assertRaises(RpcError) as caught:
                rpc.call("related", titles, 1000, 0.999999, 1e-12)
            self.assertEqual(caught.exception.code, "deadline", caught.exception)
            self.assertNotIn("event=died", daemon.log())

    @unittest.skipIf(UNDER, "a sanitizer's pauses are not those of the work")
    def test_a_long_job(self):
        """Jobs have ten times as long from one sign to the next."""
        with Daemon(synthetic_index(8000), "--workers", "processes:1", "--hang-timeout", "200") as \
                daemon, daemon.connect() as rpc:
            job = rpc.call("submit", tolerance=0, iterations=100000, workers=1)["job"]
            wait_for(lambda: rpc.call("job", job)["iteration"] > 0, "the job's start")
            time.sleep(4)
            self.assertIn(rpc.call("job", job)["state"], ("running", "done"))
            self.assertNotIn("event=died", daemon.log())
            rpc.call("cancel", job)


class Nonsense(unittest.TestCase):
    def test_in_the_reply_ring(self):
        """A worker's ring says what cannot be: the worker goes, with its ring, and nothing else."""
        with Daemon(synthetic_index(), "--workers", "processes:2") as daemon, \
                daemon.connect() as rpc:
            titles = [page["title"] for page in rpc.call("top", 100)]
            wanted = {title: rpc.call("links", title) for title in titles}
            for pid in named(daemon, "forklore-worker"):
                os.kill(pid, signal.SIGSTOP) # or they would put it right
            channels = [name for name in daemon.leftovers() if "-worker" in name]
            self.assertEqual(len(channels), 2)
            for name in channels:
                with open(os.path.join("/dev/shm", name), "r+b") as channel:
                    # The second ring of two, and its tail: ipc/ring.c.
                    tail = channel.read().rindex(b"flkring1") + 64
                    channel.seek(tail)
                    channel.write((1 << 40).to_bytes(8, "little"))
            for msgid, title in enumerate(titles):
                rpc.send([0, msgid, "links", [title]])
            for _ in titles:
                _, msgid, error, result = rpc.receive()
                self.assertIsNone(error)
                self.assertEqual(result, wanted[titles[msgid]])
            self.assertEqual(daemon.log().count("its ring is broken: killed"), 2)


@unittest.skipIf(UNDER, "a sanitizer has its own way to die")
class TheSameSegfault(unittest.TestCase):
    """What docs/robustness.md says of processes and threads."""

    QUESTIONS = 400

    def faults_and_answers(self, workers, victims):
        """Asks, with one SIGSEGV after every hundredth question; how many were answered."""
        daemon = Daemon(small_index(), "--workers", workers)
        self.addCleanup(daemon.kill)
        answered = 0
        with daemon.connect() as rpc:
            for question in range(self.QUESTIONS):
                if question % 100 == 50:
                    pid, thread = victims(daemon)
                    ctypes.CDLL(None).tgkill(pid, thread, signal.SIGSEGV)
                try:
                    answered += rpc.call("lookup", "Alpha")["title"] == "Alpha"
                except (EOFError, OSError):
                    break
        return daemon, answered

    def test_processes_answer_everything(self):
        killed = set()

        def victims(daemon):
            # One that dies takes its time, for a core perhaps, and cannot be killed again.
            pid = wait_for(lambda: set(named(daemon, "forklore-worker")) - killed, "a start").pop()
            killed.add(pid)
            return pid, pid
        daemon, answered = self.faults_and_answers("processes:2", victims)
        self.assertEqual(answered, self.QUESTIONS)
        wait_for(lambda: daemon.log().count("killed by signal 11") == 4, "the death of all")
        daemon.stop()

    def test_threads_lose_the_daemon(self):
        def victims(daemon):
            pid = daemon.process.pid
            return pid, next(int(task) for task in os.listdir(f"/proc/{pid}/task")
                             if int(task) != pid and name_of(int(task)) == "forklored")
        daemon, answered = self.faults_and_answers("threads:2", victims)
        self.assertLess(answered, self.QUESTIONS)
        self.assertEqual(daemon.process.wait(PATIENCE_S), -signal.SIGSEGV)
        # The kernel may take connections for it until it has ended its io_uring.
        self.assertFalse(daemon.serves())


def faulty(fault, *options, index=small_index, file=None):
    """A daemon in which something goes wrong, as tests/shim.c has it."""
    env = {"LD_PRELOAD": SHIM, "FORKLORE_FAULT": fault}
    if file:
        env["FORKLORE_FAULT_FILE"] = file
    return Daemon(index(), "--workers", "processes:2", *HANG, *options, env=env)


class Jobs(unittest.TestCase):
    OPTIONS = {"tolerance": 0, "iterations": 200, "workers": 8}

    @unittest.skipIf(UNDER, "a sanitizer has its own way to die")
    def test_one_that_kills_its_workers(self):
        """A worker that is killed by its own work would be, again and again: the job fails."""
        with Daemon(synthetic_index(), "--workers", "processes:2") as daemon, \
                daemon.connect() as rpc:
            job = rpc.call("submit", tolerance=0, iterations=100000, workers=2)["job"]
            victims = set()
            while (state := rpc.call("job", job))["state"] in ("queued", "running"):
                for pid in set(named(daemon, "forklore-job")) - victims:
                    victims.add(pid)
                    os.kill(pid, signal.SIGSEGV)
                self.assertLess(len(victims), 50, "it is tried for ever")
            self.assertEqual(state["state"], "failed")
            self.assertIn("cannot be kept alive: killed by signal 11", state["error"])
            self.assertEqual(rpc.pagerank()["state"], "done")

    @unittest.skipIf(UNDER, "a sanitizer wants to be loaded first")
    def test_workers_that_die_before_they_ring(self):
        """What they have published is all that their peers sleep for."""
        with Daemon(synthetic_index()) as daemon, daemon.connect() as rpc:
            quiet = rpc.pagerank(**self.OPTIONS)
        with faulty("bell", index=synthetic_index) as daemon, daemon.connect() as rpc:
            job = rpc.pagerank(**self.OPTIONS)
            self.assertEqual(job["state"], "done", job["error"])
            self.assertEqual(job["top"], quiet["top"])
            self.assertEqual((job["iteration"], job["change"]),
                             (quiet["iteration"], quiet["change"]))
            if "killed by signal 9" not in daemon.log():
                self.skipTest("nobody has slept")


@unittest.skipIf(UNDER, "a sanitizer wants to be loaded first")
class Faults(unittest.TestCase):
    """Reading an article's text goes wrong; everything else is as ever."""

    def deadly(self, fault, how, *options, killed=2, lost=2):
        """Whoever reads it dies; after so many deaths the request is given up."""
        with faulty(fault, *options) as daemon, daemon.connect() as rpc, \
                daemon.connect() as other:
            rpc.send([0, 1, "page", ["Alpha"]])
            # Everybody else is served in the meantime.
            answered = 0
            rpc.socket.settimeout(0.001)
            frame = None
            while frame is None:
                try:
                    frame = rpc.receive()
                except TimeoutError:
                    self.assertEqual(other.call("lookup", "Beta")["title"], "Beta")
                    answered += 1
            self.assertEqual(frame[1:3], [1, {**frame[2], "code": "worker_died"}])
            log = daemon.log()
            self.assertEqual(log.count(how), lost, log)
            self.assertEqual(log.count("event=request-given-up"), 1, log)
            self.assertRegex(log, f"method=page bytes=[0-9]+ killed={killed} lost={lost}\\n")
            self.assertEqual(other.call("lookup", "Beta")["title"], "Beta")
            return answered

    def test_a_request_that_kills_its_worker_twice(self):
        self.deadly("segv", "killed by signal 11")

    def test_a_request_that_never_ends(self):
        self.assertGreater(self.deadly("loop", "hung, no sign of life for 1000 ms"), 0)

    def test_killed_from_outside(self):
        """As by the kernel's memory killer: the request may be its cause, or not."""
        self.deadly("kill", "killed by signal 9", killed=0, lost=10)

    def test_stopped_from_outside(self):
        self.deadly("stop", "stopped, no sign of life for 500 ms", "--hang-timeout", "500",
                    killed=0, lost=10)

    def test_a_read_error(self):
        with faulty("eio") as daemon, daemon.connect() as rpc:
            with self.assertRaises(RpcError) as caught:
                rpc.call("page", "Alpha")
            self.assertEqual(caught.exception.code, "internal")
            self.assertIn("cannot read text block", caught.exception.message)
            self.assertEqual(rpc.call("lookup", "Beta")["title"], "Beta")
            self.assertNotIn("event=died", daemon.log())

    def test_workers_that_die_at_the_start(self):
        started = time.monotonic()
        with self.assertRaises(AssertionError) as caught:
            faulty("start")
        log = str(caught.exception)
        self.assertIn("does not start", log)
        # Ever more slowly: 0, 100, 200, 400 ms before the next.
        self.assertGreaterEqual(time.monotonic() - started, 0.7)
        self.assertLess(log.count("event=died"), 20)

    def test_a_reload_whose_workers_do_not_start(self):
        """The old generation goes on."""
        path = os.path.join(scratch(), "fault")
        with faulty("start", file=path) as daemon, daemon.connect() as rpc:
            with open(path, "wb"):
                pass
            with self.assertRaises(RpcError) as caught:
                rpc.call("reload")
            os.remove(path)
            self.assertEqual(caught.exception.code, "bad_params")
            self.assertIn("workers do not start", caught.exception.message)
            self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
            self.assertEqual(rpc.call("status")["index"]["generation"], 1)
            self.assertGreater(rpc.call("reload")["generation"], 1)


if __name__ == "__main__":
    unittest.main()
