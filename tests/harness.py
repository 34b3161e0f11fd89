# SPDX-License-Identifier: MIT
"""What the black-box tests share: a small wiki, a daemon on a socket of its own, and a
MessagePack-RPC client of a few lines that shares nothing with the project's.

FORKLORE_BUILD says where the programs are (default: build), FORKLORE_DATA where the real data
is (default: ../shared/data), FORKLORE_WORKERS which workers daemons get where a test does not
care (default: processes:2)."""
import atexit
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import msgpack

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("FORKLORE_BUILD", "build"))
DATA = os.environ.get("FORKLORE_DATA") or os.path.join(ROOT, "..", "shared", "data")
FORKLORE = os.path.join(BUILD, "forklore")
FORKLORED = os.path.join(BUILD, "forklored")
WORKERS = os.environ.get("FORKLORE_WORKERS") or "processes:2"
WORKER_MODE, WORKER_COUNT = WORKERS.split(":")[0], int(WORKERS.split(":")[1])
# The sanitizer that the programs are built with, if any: their memory is not all theirs then.
UNDER = os.environ.get("FORKLORE_UNDER", "")
# Sanitizers and busy machines slow everything down; nothing here waits this long when all is well.
PATIENCE_S = float(os.environ.get("FORKLORE_PATIENCE", "300"))

# A wiki whose every answer can be worked out by hand: title -> wikitext.
PAGES = {
    "Alpha": "'''Alpha''' leads to [[Beta]], [[gamma|the third]] and [[Delta#Section|Delta]].",
    "Beta": "[[Alpha]] and [[Beta]] itself, and [[Missing page]].",
    "Gamma": "[[Delta]] & <!-- [[Beta]] --> <nowiki>[[Beta]]</nowiki> a < b.",
    "Delta": "[[Old epsilon]] is a redirect.",
    "Epsilon": "[[Zeta]] again [[Zeta]].",
    "Zeta": "No way out.",
    "Étienne": "Visits [[Alpha]] and [[日本]].",
    "Etienne": "Plain: [[Alpha]].",
    "日本": "[[Étienne]]",
    "Far away": "[[Alpha]]",
}
REDIRECTS = {"Old epsilon": "Epsilon", "Older epsilon": "Old epsilon", "Nippon": "日本"}
LINKS = {
    "Alpha": ["Beta", "Delta", "Gamma"],
    "Beta": ["Alpha"],
    "Gamma": ["Delta"],
    "Delta": ["Epsilon"],
    "Epsilon": ["Zeta"],
    "Zeta": [],
    "Étienne": ["Alpha", "日本"],
    "Etienne": ["Alpha"],
    "日本": ["Étienne"],
    "Far away": ["Alpha"],
}
IDS = {title: 10 + 3 * i for i, title in enumerate(PAGES)}


def page_element(title, text, page_id, redirect=None):
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    target = f'\n    <redirect title="{redirect}" />' if redirect else ""
    return f"""<page>
    <title>{title}</title>
    <ns>0</ns>
    <id>{page_id}</id>{target}
    <revision>
      <id>{page_id + 1000}</id>
      <text xml:space="preserve">{text}</text>
    </revision>
  </page>"""


def small_dump():
    pages = [page_element(title, text, IDS[title]) for title, text in PAGES.items()]
    pages += [page_element(title, f"#REDIRECT [[{target}]]", 500 + i, target)
              for i, (title, target) in enumerate(REDIRECTS.items())]
    return ('<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" '
            'xml:lang="en">\n  <siteinfo>\n    <sitename>Small wiki</sitename>\n'
            '    <dbname>smallwiki</dbname>\n    <case>first-letter</case>\n'
            '    <namespaces>\n      <namespace key="0" case="first-letter" />\n'
            '    </namespaces>\n  </siteinfo>\n  ' + "\n  ".join(pages) + "\n</mediawiki>\n")


def pagerank(links, damping=0.85, seeds=None):
    """In plain Python, until nothing moves any more: title -> score."""
    n = len(links)
    start = {t: (1 / len(seeds) if t in seeds else 0) if seeds else 1 / n for t in links}
    x = dict(start)
    for _ in range(2000):
        dangling = sum(x[t] for t in links if not links[t])
        y = {t: (1 - damping + damping * dangling) * start[t] for t in links}
        for source, targets in links.items():
            for target in targets:
                y[target] += damping * x[source] / len(targets)
        if sum(abs(y[t] - x[t]) for t in links) < 1e-16:
            break
        x = y
    return x


_folder = None


def scratch():
    """A folder for the test program, removed at its end."""
    global _folder
    if _folder is None:
        _folder = tempfile.mkdtemp(prefix="forklore-test.")
        atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    return _folder


def assert_clean(output):
    """No sanitizer has complained, whatever the exit code."""
    for sign in ("Sanitizer", "runtime error:"):
        if sign in output:
            raise AssertionError(output)


def run(program, *arguments, env=None, **options):
    done = subprocess.run([program, *arguments], capture_output=True, timeout=PATIENCE_S,
                          env={**os.environ, **(env or {})}, **options)
    assert_clean(done.stderr.decode(errors="replace"))
    return done


def without_root_powers():
    """Before exec: root, too, is refused what the permissions do not grant."""
    libc = ctypes.CDLL(None)
    cap_dac_override, cap_dac_read_search, pr_capbset_drop = 1, 2, 24
    if os.geteuid() == 0:
        for capability in cap_dac_override, cap_dac_read_search:
            libc.prctl(pr_capbset_drop, capability, 0, 0, 0)


def wait_for(condition, what):
    """Its value, once it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} does not happen")
        time.sleep(0.01)
    return value


def build_index(dump, index):
    done = run(FORKLORED, "build", dump, "-o", index)
    if done.returncode != 0:
        raise AssertionError(f"building {dump} failed: {done.stderr.decode()}")
    return index


def small_index():
    index = os.path.join(scratch(), "small.flk")
    if not os.path.exists(index):
        dump = os.path.join(scratch(), "small.xml")
        with open(dump, "w", encoding="utf-8") as out:
            out.write(small_dump())
        build_index(dump, index)
    return index


def synthetic_index(pages=300, seed=7):
    index = os.path.join(scratch(), f"synthetic-{pages}-{seed}.flk")
    if not os.path.exists(index):
        dump = index[:-4] + ".xml"
        done = run(FORKLORED, "generate", "wiki", "--pages", str(pages), "--seed", str(seed),
                   "-o", dump)
        if done.returncode != 0:
            raise AssertionError(f"generating failed: {done.stderr.decode()}")
        build_index(dump, index)
    return index


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as found:
        return [int(child) for child in found.read().split()]


class RpcError(Exception):
    def __init__(self, error):
        self.code, self.message = error["code"], error["message"]
        super().__init__(f"{self.code}: {self.message}")


class Connection:
    """One connection. call() for one request at a time; send() and receive() for the rest."""

    def __init__(self, path, timeout=PATIENCE_S):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        self.ids = itertools.count(1)
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, frame):
        self.socket.sendall(frame if isinstance(frame, bytes) else msgpack.packb(frame))

    def receive(self):
        """The next frame, None at the end of the stream."""
        while True:
            for frame in self.unpacker:
                return frame
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.unpacker.feed(data)

    def answer(self, msgid):
        while True:
            frame = self.receive()
            if frame is None:
                raise EOFError("the daemon closed the connection")
            if frame[0] == 2:
                self.notifications.append(frame)
            elif frame[1] == msgid:
                if frame[2] is not None:
                    raise RpcError(frame[2])
                return frame[3]

    def call(self, method, *params, **named):
        msgid = next(self.ids)
        self.send([0, msgid, method, named or list(params)])
        return self.answer(msgid)

    def notification(self):
        while not self.notifications:
            frame = self.receive()
            if frame is None:
                raise EOFError("the daemon closed the connection")
            if frame[0] == 2:
                self.notifications.append(frame)
        return self.notifications.pop(0)

    def pagerank(self, **options):
        """Runs a job to its end; its final map."""
        job = self.call("submit", kind="pagerank", **options)["job"]
        self.call("watch", job)
        while True:
            _, method, [state] = self.notification()
            if method == "progress" and state["id"] == job and \
                    state["state"] not in ("queued", "running"):
                return state


HOUR_MS = "3600000"
PATIENT = ("--request-timeout", HOUR_MS, "--hang-timeout", HOUR_MS)


class Daemon:
    """A daemon that serves `index` until stop() or the end of the with statement. What it answers
    late on a busy machine is right all the same: requests and workers have an hour, unless a test
    says else."""

    def __init__(self, index, *options, env=None, arguments=None, under=()):
        self.folder = tempfile.mkdtemp(prefix="d.", dir=scratch())
        self.path = os.path.join(self.folder, "socket")
        self.log_path = os.path.join(self.folder, "log")
        source = arguments if arguments is not None else ["--index", index]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*under, FORKLORED, *PATIENT, *options, "--socket", self.path, *source],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})})
        self.prefixes = set()
        try:
            self.wait_until_it_serves()
        except BaseException:
            self.kill()
            raise

    def serves(self):
        """Whether it answers. What a dead one left at the path may still take a connection, and
        hang up at whatever moment."""
        try:
            with self.connect() as connection:
                status = connection.call("status")
        except (OSError, EOFError):
            return False
        self.prefixes = {re.match(r"/?(forklore\.\d+\.[^.]+)", segment["name"]).group(1)
                         for segment in status["segments"]}
        return status["pid"] == self.process.pid

    def wait_until_it_serves(self):
        def serves_or_ended():
            return self.serves() or self.process.poll() is not None
        wait_for(serves_or_ended, f"serving at {self.path}")
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()

    def connect(self, **options):
        return Connection(self.path, **options)

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode(errors="replace")

    def leftovers(self):
        """Names in /dev/shm that this daemon made."""
        return [name for name in os.listdir("/dev/shm")
                if any(name.startswith(prefix) for prefix in self.prefixes)]

    def stop(self):
        """An orderly end, which has to leave nothing behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the daemon does not end: {self.log()}") from None
        if code != 0:
            raise AssertionError(f"the daemon ended with {code}: {self.log()}")
        assert_clean(self.log())
        if self.leftovers():
            raise AssertionError(f"left in /dev/shm: {self.leftovers()}")
        if os.path.exists(self.path):
            raise AssertionError("the socket is left")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class DaemonTest(unittest.TestCase):
    """Tests that share one daemon over the small wiki."""

    maxDiff = None
    OPTIONS = ["--workers", WORKERS]
    daemon = None

    @classmethod
    def index(cls):
        return small_index()

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.index(), *cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.rpc = self.daemon.connect()
        self.addCleanup(self.rpc.close)

    def assert_error(self, code, method, *params, **named):
        with self.assertRaises(RpcError, msg=f"{method}{params or named}") as caught:
            self.rpc.call(method, *params, **named)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception.message

    def assert_alive(self):
        with self.daemon.connect() as other:
            self.assertEqual(other.call("ping"), "pong")
            self.assertEqual(other.call("lookup", "Alpha")["title"], "Alpha")
