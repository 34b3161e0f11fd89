# SPDX-License-Identifier: MIT
"""Somebody is killed: workers at work, job workers, the coordinator."""
import os
import signal
import subprocess
import threading
import time
import unittest

from harness import (Daemon, DaemonTest, FORKLORED, UNDER, children, small_index,
                     synthetic_index, wait_for)


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            return comm.read().strip()
    except OSError:
        return ""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill_some(daemon, name, stop, killed, pause_s):
    """Kills processes of this name, one after the other, until told to stop: ever more slowly, so
    that on whatever slow machine some live long enough to get something done."""
    victim = 0
    pause_s *= 4 if UNDER else 1
    while not stop.is_set():
        pids = [pid for pid in children(daemon.process.pid) if name_of(pid) == name and alive(pid)]
        if pids:
            victim += 1
            try:
                os.kill(pids[victim % len(pids)], signal.SIGKILL)
                killed.append(pids[victim % len(pids)])
            except ProcessLookupError:
                pass
        stop.wait(pause_s)
        pause_s *= 1.05


class WorkersDie(DaemonTest):
    # Threads cannot be killed one by one.
    OPTIONS = ["--workers", "processes:2"]

    @classmethod
    def index(cls):
        return synthetic_index(2000)

    def test_no_client_sees_an_error(self):
        titles = [page["title"] for page in self.rpc.call("top", 200)]
        wanted = {title: self.rpc.call("links", title, 1000) for title in titles}
        stop, killed = threading.Event(), []
        killer = threading.Thread(target=kill_some,
                                  args=(self.daemon, "forklore-worker", stop, killed, 0.05))
        killer.start()
        answers, deadline = 0, time.monotonic() + 4
        try:
            while time.monotonic() < deadline or len(killed) < 20:
                ids = {}
                for title in titles[:64]:
                    msgid = next(self.rpc.ids)
                    ids[msgid] = title
                    self.rpc.send([0, msgid, "links", [title, 1000]])
                while ids:
                    _, msgid, error, result = self.rpc.receive()
                    self.assertIsNone(error)
                    self.assertEqual(result, wanted[ids.pop(msgid)])
                    answers += 1
        finally:
            stop.set()
            killer.join()
        self.assertGreaterEqual(len(killed), 20)
        self.assertGreater(answers, 64)
        wait_for(lambda: sum(w["restarts"] for w in self.rpc.call("status")["workers"]) >=
                 len(set(killed)), "a new worker for each that was killed")

    def test_answers_to_a_slow_client_outlive_their_worker(self):
        """More than the socket takes at once, so that some are cut short in the reply ring."""
        wanted = [self.rpc.call("top", 21 + n) for n in range(20)]
        for _ in range(5):
            ids = {next(self.rpc.ids): n for n in range(20) for _ in range(12)}
            for msgid, n in ids.items():
                self.rpc.send([0, msgid, "top", [21 + n]])
            with self.daemon.connect() as other:
                other.call("top", 1)
            for pid in children(self.daemon.process.pid):
                if name_of(pid) == "forklore-worker":
                    os.kill(pid, signal.SIGKILL)
            while ids:
                _, msgid, error, result = self.rpc.receive()
                self.assertIsNone(error)
                self.assertEqual(result, wanted[ids.pop(msgid)])

    def test_a_job_keeps_its_bits(self):
        options = {"tolerance": 0, "iterations": 20000, "publish": True, "workers": 3}
        for exchange in "ring", "shared":
            quiet = self.rpc.pagerank(exchange=exchange, **options)
            wanted = self.rpc.call("export", "scores", 0, 10000)["rows"]
            stop, killed = threading.Event(), []
            killer = threading.Thread(target=kill_some,
                                      args=(self.daemon, "forklore-job", stop, killed, 0.02))
            killer.start()
            try:
                job = self.rpc.pagerank(exchange=exchange, **options)
            finally:
                stop.set()
                killer.join()
            self.assertEqual(job["state"], "done", job["error"])
            self.assertGreater(len(killed), 3, "the job was over too soon to be disturbed")
            self.assertEqual((job["iteration"], job["change"]),
                             (quiet["iteration"], quiet["change"]))
            self.assertEqual(self.rpc.call("export", "scores", 0, 10000)["rows"], wanted)

    def test_a_job_is_cancelled(self):
        job = self.rpc.call("submit", tolerance=0, iterations=100000)["job"]
        self.rpc.call("watch", job)
        self.rpc.call("cancel", job)
        while True:
            _, _, [state] = self.rpc.notification()
            if state["state"] not in ("queued", "running"):
                break
        self.assertEqual(state["state"], "cancelled")
        self.assertLess(state["iteration"], 100000)


class CoordinatorDies(unittest.TestCase):
    def test_workers_leave_and_the_next_start_serves(self):
        daemon = Daemon(synthetic_index(300), "--workers", "processes:3")
        with daemon.connect() as rpc:
            for _ in range(20):
                rpc.call("submit", tolerance=0, iterations=100000, workers=2)
            wait_for(lambda: len(children(daemon.process.pid)) == 5, "work on a job")
        workers = children(daemon.process.pid)
        daemon.process.kill()
        daemon.process.wait()
        wait_for(lambda: not any(map(alive, workers)), "the workers' end")
        self.assertTrue(daemon.prefixes)
        self.assertTrue(os.path.exists(daemon.path))

        # The next one at the same socket; any daemon's start sweeps what the dead one left.
        again = Daemon.__new__(Daemon)
        again.folder, again.path = daemon.folder, daemon.path
        again.log_path, again.prefixes = daemon.log_path + ".2", set()
        with open(again.log_path, "wb") as log:
            again.process = subprocess.Popen(
                [FORKLORED, "--socket", again.path, "--index", synthetic_index(300)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        again.wait_until_it_serves()
        self.assertEqual(daemon.leftovers(), [])
        again.stop()

    def test_a_living_daemon_is_not_swept(self):
        with Daemon(small_index()) as first:
            names = first.leftovers()
            with Daemon(small_index()) as second:
                self.assertEqual(first.leftovers(), names)
                self.assertNotEqual(second.prefixes, first.prefixes)
            with first.connect() as rpc:
                self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")


class ThreadsAnswerToo(DaemonTest):
    """The same daemon, the same answers, with threads."""

    OPTIONS = ["--workers", "threads:3"]

    def test_queries_and_jobs(self):
        self.assertEqual(self.rpc.call("lookup", "Alpha")["title"], "Alpha")
        for exchange in "ring", "shared":
            job = self.rpc.pagerank(exchange=exchange, workers=3)
            self.assertEqual(job["state"], "done")
        status = self.rpc.call("status")
        self.assertEqual(status["mode"], "threads")
        self.assertEqual({w["pid"] for w in status["workers"]}, {status["pid"]})


if __name__ == "__main__":
    unittest.main()
