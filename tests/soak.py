# SPDX-License-Identifier: MIT
"""Chaos: clients ask everything and check every answer, while workers are killed and stopped,
indexes reloaded and connections cut. `make soak [SECONDS=600]` prints the table and fails if an
answer was wrong or lost, or anything is left behind.

What is right is what a daemon of one thread says that nobody disturbs. Two indexes are loaded in
turn; an answer has to be that of one that was served between its question and its arrival."""
import itertools
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

import msgpack

from crash_test import alive, children, name_of
from harness import Daemon, RpcError, synthetic_index

FAULT_PERIOD_S = 0.5
RELOAD_PERIOD_S = 4
WARM_UP_S = 5
CLIENTS = 4
PIPELINE = 8
JOB = {"tolerance": 0, "iterations": 300, "workers": 2, "publish": False}
# Of a job map: what does not depend on when and on what machine.
JOB_KEYS = ("state", "iteration", "change", "top")
# Of answers: what depends on when, or on how many reloads there were.
CHANGING = ("took_us", "generation")
GROWTH_KIB_MAX = 8192


def questions(rpcs):
    """Every query method, with what is there, what is not, and what is wrong."""
    titles = []
    for rpc in rpcs:
        titles += [page["title"] for page in rpc.call("top", 400)][::20]
    for title in titles:
        yield from (("lookup", [title]), ("rank", [title]), ("links", [title]),
                    ("backlinks", [title, 500]), ("page", [title, "text"]),
                    ("page", [title, "xml"]), ("prefix", [title[:2]]), ("search", [title]),
                    ("related", [[title]]), ("lookup", [title + " that is not there"]))
    for a, b in itertools.pairwise(titles):
        yield from (("path", [a, b]), ("search", [f"{a} {b}"]), ("explain", [a, b]))
    yield from (("top", [100]), ("export", ["scores", 0, 2000]), ("export", ["links", 100, 2000]),
                ("export", ["titles", 0, 500]), ("prefix", [""]), ("lookup", [7]), ("nonsense", []))


def outcome(frame):
    """Comparable: ["ok", result] or ["error", code]."""
    if frame[2] is not None:
        return json.dumps(["error", frame[2]["code"]])
    result = frame[3]
    if isinstance(result, dict):
        result = {key: value for key, value in result.items() if key not in CHANGING}
    return json.dumps(["ok", result], sort_keys=True)


def ask(rpc, method, params):
    msgid = next(rpc.ids)
    rpc.send([0, msgid, method, params])
    return outcome(rpc.receive())


def job_outcome(job):
    return json.dumps([job[key] for key in JOB_KEYS])


class Truth:
    """What each index answers."""

    def __init__(self, indexes):
        daemons = [Daemon(index, "--workers", "threads:1") for index in indexes]
        rpcs = [daemon.connect() for daemon in daemons]
        self.questions = list(questions(rpcs))
        self.answers = [[ask(rpc, *question) for question in self.questions] for rpc in rpcs]
        again = [[ask(rpc, *question) for question in self.questions] for rpc in rpcs]
        for question, *said in zip(self.questions, *self.answers, *again):
            if said[:2] != said[2:]:
                raise AssertionError(f"{question} has two answers: {said}")
        self.jobs = [job_outcome(rpc.pagerank(**JOB)) for rpc in rpcs]
        for rpc, daemon in zip(rpcs, daemons):
            rpc.close()
            daemon.stop()


class Soak:
    def __init__(self, seconds):
        self.indexes = [synthetic_index(3000, seed) for seed in (1, 2)]
        self.truth = Truth(self.indexes)
        self.seconds = seconds
        self.daemon = Daemon(self.indexes[0], "--workers", "processes:2", "--hang-timeout", "1000",
                             "--request-timeout", "60000")
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.served = {0}  # indexes that an answer may be from, now
        self.epochs = 0    # a reload has begun or ended
        self.faults = dict.fromkeys(("workers killed", "workers stopped", "job workers killed",
                                     "job workers stopped", "connections cut", "reloads"), 0)
        self.requests = self.jobs = 0
        self.longest_s = 0.0
        self.wrong, self.lost = [], []
        self.failure = None

    # --- Clients ---------------------------------------------------------------------------------

    def right(self, answers, served, epoch, found):
        """Whether it is the answer of an index that was served since the question."""
        with self.lock:
            possible = served | self.served if self.epochs - epoch < 2 else {0, 1}
        return any(answers[index] == found for index in possible)

    def now(self):
        with self.lock:
            return set(self.served), self.epochs

    def client(self, seed):
        chance = random.Random(seed)
        rpc = self.daemon.connect()
        while not self.over.is_set():
            asked = {}
            for _ in range(chance.randint(1, PIPELINE)):
                number = chance.randrange(len(self.truth.questions))
                msgid = next(rpc.ids)
                asked[msgid] = (number, *self.now(), time.monotonic())
                rpc.send([0, msgid, *self.truth.questions[number]])
            while asked:
                frame = rpc.receive()
                if frame is None:
                    self.lost.append("the connection")
                    return
                number, served, epoch, since = asked.pop(frame[1])
                self.longest_s = max(self.longest_s, time.monotonic() - since)
                self.requests += 1
                answers = [self.truth.answers[index][number] for index in (0, 1)]
                found = outcome(frame)
                if self.right(answers, served, epoch, found):
                    continue
                question = self.truth.questions[number]
                if frame[2] is not None:
                    self.lost.append((question, frame[2]))
                else:
                    self.wrong.append((question, found[:200], answers[0][:200], answers[1][:200]))
        rpc.close()

    def job_client(self):
        rpc = self.daemon.connect()
        while not self.over.is_set():
            served, epoch = self.now()
            job = rpc.pagerank(**JOB)
            self.jobs += 1
            found = job_outcome(job)
            if job["state"] != "done":
                self.lost.append(("job", job["error"]))
            elif not self.right(self.truth.jobs, served, epoch, found):
                self.wrong.append(("job", found[:200]))
        rpc.close()

    # --- Faults ----------------------------------------------------------------------------------

    def hit(self, name, signal_number):
        pids = [pid for pid in children(self.daemon.process.pid) if name_of(pid) == name]
        if not pids:
            return False
        try:
            os.kill(random.choice(pids), signal_number)
        except ProcessLookupError:
            return False
        return True

    def cut(self, chance):
        """Asks, and is gone before the answer; sometimes in the middle of a question."""
        connection = self.daemon.connect()
        method, params = chance.choice(self.truth.questions)
        request = b"".join(msgpack.packb([0, i, method, params]) for i in range(20))
        connection.send(request[:chance.randrange(1, len(request))])
        if chance.random() < 0.5:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
        connection.close()
        return True

    def faults_loop(self, seed):
        chance = random.Random(seed)
        kinds = (("workers killed", 4, lambda: self.hit("forklore-worker", signal.SIGKILL)),
                 ("workers stopped", 2, lambda: self.hit("forklore-worker", signal.SIGSTOP)),
                 ("job workers killed", 2, lambda: self.hit("forklore-job", signal.SIGKILL)),
                 ("job workers stopped", 1, lambda: self.hit("forklore-job", signal.SIGSTOP)),
                 ("connections cut", 2, lambda: self.cut(chance)))
        while not self.over.wait(FAULT_PERIOD_S * 2 * chance.random()):
            name, _, inject = chance.choices(kinds, [kind[1] for kind in kinds])[0]
            self.faults[name] += inject()

    def reloads_loop(self):
        rpc = self.daemon.connect()
        current = 0
        while not self.over.wait(RELOAD_PERIOD_S):
            current = 1 - current
            with self.lock:
                self.served = {0, 1}
                self.epochs += 1
            rpc.call("reload", self.indexes[current])
            with self.lock:
                self.served = {current}
                self.epochs += 1
            self.faults["reloads"] += 1
        rpc.close()

    # --- The whole -------------------------------------------------------------------------------

    def guarded(self, run, *arguments):
        def thread():
            try:
                run(*arguments)
            except BaseException as failure:  # a client that fails is a finding
                self.failure = self.failure or failure
                self.over.set()
        return threading.Thread(target=thread)

    def measure(self):
        """Private memory and descriptors of the coordinator."""
        pid = self.daemon.process.pid
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
        return kib, len(os.listdir(f"/proc/{pid}/fd"))

    def run(self):
        threads = [self.guarded(self.client, seed) for seed in range(CLIENTS)]
        threads += [self.guarded(self.job_client), self.guarded(self.faults_loop, 42),
                    self.guarded(self.reloads_loop)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        self.over.wait(min(WARM_UP_S, self.seconds / 2))
        self.started = self.measure()
        self.over.wait(self.seconds - (time.monotonic() - began))
        self.over.set()
        for thread in threads:
            thread.join()
        self.took_s = time.monotonic() - began
        # What was retired leaves; then the daemon is what it was.
        deadline = time.monotonic() + 30
        while True:
            self.ended = self.measure()
            if self.ended[1] <= self.started[1] or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.workers = children(self.daemon.process.pid)
        try:
            self.daemon.stop()
        except AssertionError as failure:
            self.failure = self.failure or failure
        self.left = [pid for pid in self.workers if alive(pid)]
        self.segments = self.daemon.leftovers()

    def report(self):
        faults = sum(self.faults.values())
        rows = [("seconds", f"{self.took_s:.0f}"), ("requests answered", self.requests),
                ("jobs done", self.jobs), *self.faults.items(),
                ("faults a second", f"{faults / self.took_s:.2f}"),
                ("wrong answers", len(self.wrong)), ("lost answers", len(self.lost)),
                ("longest answer, s", f"{self.longest_s:.2f}"),
                ("memory of the coordinator at start, KiB", self.started[0]),
                ("... at the end, KiB", self.ended[0]),
                ("descriptors at start", self.started[1]), ("... at the end", self.ended[1]),
                ("segments left", len(self.segments)), ("processes left", len(self.left))]
        for name, value in rows:
            print(f"| {name:40} | {value:>10} |")
        for finding in (self.wrong + self.lost)[:10]:
            print("soak:", finding, file=sys.stderr)
        if self.failure:
            print("soak:", repr(self.failure), file=sys.stderr)
        good = (not self.wrong and not self.lost and not self.segments and not self.left and
                not self.failure and self.requests > 0 and self.jobs > 0 and
                faults >= self.took_s and
                self.ended[1] <= self.started[1] and
                self.ended[0] <= self.started[0] + GROWTH_KIB_MAX)
        if not good:
            print(self.daemon.log()[-4000:], file=sys.stderr)
        return 0 if good else 1


def main():
    soak = Soak(float(sys.argv[1]) if len(sys.argv) > 1 else 600)
    try:
        soak.run()
    finally:
        soak.daemon.kill()
    return soak.report()


if __name__ == "__main__":
    sys.exit(main())
