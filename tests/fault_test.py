# SPDX-License-Identifier: MIT
"""Workers that hang, requests that kill, reads that fail: who pays for it, and who does not."""
import ctypes
import os
import signal
import subprocess
import time
import unittest

from crash_test import alive, children, name_of
from harness import (BUILD, PATIENCE_S, ROOT, UNDER, Daemon, RpcError, small_index,
                     synthetic_index, until)

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
        workers = until(lambda: named(self.daemon, "forklore-job"), "the job does not start")
        os.kill(workers[-1], signal.SIGSTOP)
        while True:
            _, _, [state] = self.rpc.notification()
            if state["id"] == job and state["state"] not in ("queued", "running"):
                break
        self.assertEqual(state["state"], "done", state["error"])
        self.assertEqual(state["top"], quiet["top"])
        self.assertEqual((state["iteration"], state["change"]),
                         (quiet["iteration"], quiet["change"]))
        until(lambda: not alive(workers[-1]), "the stopped worker is left")

    def test_one_that_is_to_leave(self):
        before = {s["name"] for s in self.rpc.call("status")["segments"]}
        stopped = named(self.daemon, "forklore-worker")[0]
        os.kill(stopped, signal.SIGSTOP)
        self.rpc.call("reload")
        until(lambda: not alive(stopped), "the stopped worker is left")
        until(lambda: not before & {"/" + name for name in os.listdir("/dev/shm")},
              "the old generation is left")


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
        daemon, answered = self.faults_and_answers(
            "processes:2", lambda daemon: [until(lambda: named(daemon, "forklore-worker"),
                                                 "no worker")[0]] * 2)
        self.assertEqual(answered, self.QUESTIONS)
        until(lambda: daemon.log().count("killed by signal 11") == 4, "not all have died")
        daemon.stop()

    def test_threads_lose_the_daemon(self):
        def victims(daemon):
            pid = daemon.process.pid
            return pid, next(int(task) for task in os.listdir(f"/proc/{pid}/task")
                             if int(task) != pid and name_of(int(task)) == "forklored")
        daemon, answered = self.faults_and_answers("threads:2", victims)
        self.assertLess(answered, self.QUESTIONS)
        self.assertEqual(daemon.process.wait(PATIENCE_S), -signal.SIGSEGV)
        with self.assertRaises(ConnectionRefusedError):
            daemon.connect()


@unittest.skipIf(UNDER, "a sanitizer wants to be loaded first")
class Faults(unittest.TestCase):
    """Reading an article's text goes wrong; everything else is as ever."""

    def daemon(self, fault, *options):
        return Daemon(small_index(), "--workers", "processes:2", *HANG, *options,
                      env={"LD_PRELOAD": SHIM, "FORKLORE_FAULT": fault})

    def deadly(self, fault, how):
        with self.daemon(fault) as daemon, daemon.connect() as rpc, daemon.connect() as other:
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
            self.assertEqual(log.count("event=died"), 2, log)
            self.assertEqual(log.count(how), 2, log)
            self.assertEqual(log.count("event=request-given-up method=page"), 1, log)
            self.assertEqual(other.call("lookup", "Beta")["title"], "Beta")
            return answered

    def test_a_request_that_kills_its_worker_twice(self):
        self.deadly("segv", "killed by signal 11")

    def test_a_request_that_never_ends(self):
        self.assertGreater(self.deadly("loop", "hung, no sign of life for 1000 ms"), 0)

    def test_a_read_error(self):
        with self.daemon("eio") as daemon, daemon.connect() as rpc:
            with self.assertRaises(RpcError) as caught:
                rpc.call("page", "Alpha")
            self.assertEqual(caught.exception.code, "internal")
            self.assertIn("cannot read text block", caught.exception.message)
            self.assertEqual(rpc.call("lookup", "Beta")["title"], "Beta")
            self.assertNotIn("event=died", daemon.log())

    def test_workers_that_die_at_the_start(self):
        started = time.monotonic()
        with self.assertRaises(AssertionError) as caught:
            self.daemon("start")
        log = str(caught.exception)
        self.assertIn("does not start", log)
        # Ever more slowly: 0, 100, 200, 400 ms before the next.
        self.assertGreaterEqual(time.monotonic() - started, 0.7)
        self.assertLess(log.count("event=died"), 20)


if __name__ == "__main__":
    unittest.main()
