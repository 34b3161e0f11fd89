#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The forklore command: output for people and programs, exit codes, and daemons that are not
there, or not what they should be."""
import json
import os
import pty
import random
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import msgpack

from harness import (FORKLORE, IDS, LINKS, PAGES, PATIENCE_S, REDIRECTS, WORKER_COUNT, WORKER_MODE,
                     DaemonTest, pagerank, run, scratch, small_dump, small_index)

DONE, NOT_FOUND, USAGE, UNREACHABLE, REFUSED = range(5)
COMMANDS = ("lookup prefix page links backlinks rank top random related path submit jobs job cancel "
            "watch export status live reload ping shutdown").split()


def on_terminal(*arguments, keys=b"", env=None):
    """Runs forklore on a terminal of its own; (exit code, what it showed)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(FORKLORE, [FORKLORE, *arguments], {**os.environ, "TERM": "xterm", **(env or {})})
    shown, began = b"", time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        try:
            data = os.read(terminal, 65536)
        except OSError: # the other side is closed
            break
        shown += data
        if keys:
            os.write(terminal, keys)
            keys = b""
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


class CommandTest(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.daemon.connect() as connection:
            connection.pagerank(tolerance=0, iterations=300)

    def forklore(self, *arguments, code=DONE, env=None):
        done = run(FORKLORE, "-s", self.daemon.path, *arguments, env=env)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        if code not in (DONE, NOT_FOUND):
            self.assertTrue(done.stderr.startswith(b"forklore"), done.stderr)
        return done.stdout.decode()

    def json(self, *arguments, code=DONE):
        lines = self.forklore("--json", *arguments, code=code).splitlines()
        self.assertEqual(len(lines), 1)
        return json.loads(lines[0])

    def test_json_is_what_the_daemon_says(self):
        for command, method, params in (
                (["lookup", "Étienne"], "lookup", ["Étienne"]),
                (["prefix", "e"], "prefix", ["e"]), (["prefix", "-n", "1", ""], "prefix", ["", 1]),
                (["page", "Gamma"], "page", ["Gamma"]),
                (["page", "--format", "xml", "Gamma"], "page", ["Gamma", "xml"]),
                (["links", "Alpha"], "links", ["Alpha"]),
                (["links", "Alpha", "-n1", "--offset=1"], "links", ["Alpha", 1, 1]),
                (["backlinks", "Alpha"], "backlinks", ["Alpha"]),
                (["rank", "Zeta"], "rank", ["Zeta"]), (["top", "-n", "3"], "top", [3]),
                (["random", "--seed", "5"], "random", [5]),
                (["related", "Alpha", "Beta", "--damping", "0.5"], "related",
                 [["Alpha", "Beta"], None, 0.5]),
                (["path", "Alpha", "Zeta"], "path", ["Alpha", "Zeta"]), (["ping"], "ping", []),
                (["jobs"], "jobs", [])):
            self.assertEqual(self.json(*command), self.rpc.call(method, *params), command)
            self.assertEqual(json.loads(self.forklore(*command, "--json")),
                             self.rpc.call(method, *params))

    def test_lookup(self):
        shown = self.forklore("lookup", "old epsilon")
        self.assertTrue(shown.startswith("Epsilon\n"))
        self.assertIn("Old epsilon", shown)
        self.assertIn(str(IDS["Epsilon"]), shown)

    def test_tables_are_aligned(self):
        lines = self.forklore("top").splitlines()
        self.assertEqual(lines[0].split(), ["rank", "score", "title"])
        column = lines[0].index("title")
        self.assertEqual([line[column:] for line in lines[1:]],
                         [p["title"] for p in self.rpc.call("top")])

    def test_page_is_printed_byte_for_byte(self):
        for title, text in PAGES.items():
            self.assertEqual(self.forklore("page", "--format", "wikitext", title), text)

    def test_lists(self):
        for title, targets in LINKS.items():
            self.assertEqual(sorted(self.forklore("links", title).splitlines()), sorted(targets))
        self.assertEqual(self.forklore("path", "Alpha", "Zeta"),
                         "Alpha\n-> Delta\n-> Epsilon\n-> Zeta\n")

    def test_not_found(self):
        for command in (["lookup", "Nowhere"], ["page", "Nowhere"], ["links", "Nowhere"],
                        ["rank", "Nowhere"], ["path", "Zeta", "Alpha"], ["related", "Nowhere"],
                        ["prefix", "nothing like it"], ["job", "999"], ["watch", "999"],
                        ["cancel", "999"], ["submit", "pagerank", "--seed", "Nowhere"]):
            self.assertEqual(self.forklore(*command, code=NOT_FOUND), "", command)
        done = run(FORKLORE, "-s", self.daemon.path, "--json", "lookup", "Nowhere")
        self.assertEqual(json.loads(done.stderr)["error"]["code"], "not_found")

    def test_refused(self):
        self.forklore("top", "-n", "999999", code=REFUSED)
        self.forklore("page", "--format", "pdf", "Alpha", code=REFUSED)
        self.forklore("submit", "sorting", code=REFUSED)
        self.forklore("reload", "/nonexistent.flk", code=REFUSED)

    def test_usage(self):
        for command in ([], ["frobnicate"], ["--frobnicate"], ["lookup"], ["lookup", "a", "b"],
                        ["top", "x"], ["top", "-n"], ["top", "-n", "-1"], ["top", "-n", "1x"],
                        ["top", "--limit", ""], ["related"], ["related", "a", "--damping", "x"],
                        ["related", "a", "--damping", "nan"], ["path", "a"], ["job"], ["job", "x"],
                        ["jobs", "1"], ["cancel", "-1"], ["submit"], ["export"], ["export", "x"],
                        ["submit", "pagerank", "--publish", "--no-publish"], ["ping", "--bogus"],
                        ["ping", "-Z"], ["--timeout", "x", "ping"], ["--timeout=-1", "ping"],
                        ["live", "-i", "0"], ["status", "extra"]):
            self.assertEqual(self.forklore(*command, code=USAGE), "", command)

    def test_help(self):
        overview = self.forklore("--help")
        for command in COMMANDS:
            self.assertIn(f"  {command} ", overview)
            shown = self.forklore(command, "--help")
            self.assertTrue(shown.startswith(f"usage: forklore {command}"), shown)
            self.assertEqual(self.forklore(command, "-h"), shown)
        for line in overview.splitlines():
            self.assertLessEqual(len(line), 80)
        self.assertRegex(self.forklore("--version"), r"^forklore \d+\.\d+\.\d+\n$")

    def test_titles_that_look_like_options(self):
        self.forklore("lookup", "--", "-x", code=NOT_FOUND)

    def test_submit(self):
        shown = self.forklore("submit", "pagerank", "--no-publish")
        self.assertRegex(shown, r"^job \d+\n$")
        job = int(shown.split()[1])
        lines = self.forklore("--json", "watch", str(job)).splitlines()
        states = [json.loads(line) for line in lines]
        self.assertEqual(states[-1]["state"], "done")
        self.assertEqual({s["id"] for s in states}, {job})
        self.assertEqual(self.json("job", str(job)), states[-1])
        self.assertIn("is done", self.forklore("job", str(job)))
        self.assertIn(f"{job}  pagerank  done", self.forklore("jobs"))

    def test_submit_and_wait(self):
        shown = self.forklore("submit", "pagerank", "--seed", "Alpha", "--seed", "日本", "--wait",
                              "-n", "2", "--tolerance", "0", "--iterations", "300")
        exact = pagerank(LINKS, seeds=["Alpha", "日本"])
        best = sorted(exact, key=lambda t: -exact[t])[:2]
        self.assertEqual([line.split()[2] for line in shown.splitlines()[-2:]], best)
        job = self.json("submit", "pagerank", "--precision", "single", "--exchange", "shared",
                        "--workers", "1", "--damping", "0.5", "--no-publish", "-w")
        self.assertEqual((job["state"], job["precision"], job["exchange"], job["workers"],
                          job["damping"], job["published"]),
                         ("done", "single", "shared", 1, 0.5, None))

    def test_cancelled_job(self):
        job = self.json("submit", "pagerank", "--tolerance", "0", "--iterations", "100000")["job"]
        watcher = subprocess.Popen([FORKLORE, "-s", self.daemon.path, "watch", str(job)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.forklore("cancel", str(job))
        shown, _ = watcher.communicate(timeout=PATIENCE_S)
        self.assertEqual(watcher.returncode, REFUSED)
        self.assertIn(b"is cancelled", shown)

    def test_export(self):
        scores = [line.split("\t") for line in self.forklore("export", "scores").splitlines()]
        self.assertEqual([[float(s), t] for s, t in scores],
                         [[p["score"], p["title"]] for p in self.rpc.call("top", 100)])
        expected = sorted(f"{s}\t{t}".encode() for s in LINKS for t in LINKS[s])
        self.assertEqual(self.forklore("export", "links").encode().splitlines(), expected)
        titles = self.forklore("export", "titles").splitlines()
        self.assertEqual(len(titles), len(PAGES) + len(REDIRECTS))
        self.assertIn("Old epsilon\tEpsilon", titles)
        self.assertIn("Alpha\t", titles)
        self.assertEqual(titles, sorted(titles, key=str.encode))

    def test_export_to_a_file(self):
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            path = os.path.join(folder, "links.tsv")
            link = os.path.join(folder, "link.tsv")
            os.symlink("links.tsv", link)
            for name in (path, path, link):
                self.assertEqual(self.forklore("export", "links", "-o", name), "")
                with open(path, encoding="utf-8") as got:
                    self.assertEqual(got.read(), self.forklore("export", "links", "-o", "-"))
            self.assertEqual(sorted(os.listdir(folder)), ["link.tsv", "links.tsv"])
            self.assertTrue(os.path.islink(link))
            mask = os.umask(0)
            os.umask(mask)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o666 & ~mask)
            self.forklore("export", "links", "-o", os.path.join(folder, "no", "file"), code=REFUSED)
        self.forklore("export", "links", "-o", "/dev/null")
        self.forklore("export", "links", "-o", "/dev/full", code=REFUSED)

    def test_output_that_cannot_be_written(self):
        for command in (["top"], ["--json", "status"], ["page", "Alpha"], ["export", "links"],
                        ["--help"], ["lookup", "--help"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([FORKLORE, "-s", self.daemon.path, *command], stdout=full,
                                      stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)
            self.assertEqual(done.returncode, REFUSED, command)
            self.assertIn(b"No space left", done.stderr)

    def test_status(self):
        shown = self.forklore("status")
        for part in ("Small wiki", f"{len(PAGES)} pages", f"{WORKER_COUNT} {WORKER_MODE}", "forklore."):
            self.assertIn(part, shown)
        self.assertEqual(set(self.json("status")), set(self.rpc.call("status")))

    def test_live(self):
        shown = self.forklore("live", "-n", "2", "-i", "0.05")
        self.assertEqual(shown.count("Small wiki"), 2)
        self.assertNotIn("\x1b", shown)

    def test_live_on_a_terminal(self):
        for keys in (b"q", b"\x1b", b"\x03"):
            code, shown = on_terminal("-s", self.daemon.path, "live", keys=keys)
            self.assertEqual(code, DONE)
            self.assertIn("Small wiki", shown)
            self.assertTrue(shown.startswith("\x1b[?1049h"), shown[:20])
            self.assertTrue(shown.endswith("\x1b[?1049l"), shown[-20:])

    def test_terminal(self):
        _, shown = on_terminal("-s", self.daemon.path, "top")
        self.assertIn("\x1b[1m", shown)
        _, shown = on_terminal("-s", self.daemon.path, "top", env={"NO_COLOR": "1"})
        self.assertNotIn("\x1b", shown)
        code, shown = on_terminal("-s", self.daemon.path, "submit", "pagerank", "--wait")
        self.assertEqual(code, DONE)
        self.assertIn("\r[", shown)
        self.assertIn("########################]", shown)

    def test_reload(self):
        before = self.rpc.call("status")["index"]["generation"]
        shown = self.forklore("reload")
        self.assertRegex(shown, r"^generation \d+\n$")
        self.assertGreater(int(shown.split()[1]), before)
        folder, name = os.path.split(small_index())
        done = subprocess.run([FORKLORE, "-s", self.daemon.path, "reload", name], cwd=folder,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertGreater(int(done.stdout.split()[1]), int(shown.split()[1]))
        with self.daemon.connect() as connection:
            connection.pagerank(tolerance=0, iterations=300)

    def test_handed_over(self):
        done = run(FORKLORE, "info", small_index())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"Small wiki", done.stdout)
        told = json.loads(run(FORKLORE, "--json", "info", small_index()).stdout)
        self.assertEqual(told["source_bytes"], len(small_dump().encode()))
        self.assertEqual(told["ranks"]["damping"], 0.85)
        self.assertLess(abs(told["ranks"]["finished_unix_s"] - told["built_unix_s"]), PATIENCE_S)
        self.assertEqual(json.loads(run(FORKLORE, "--json", "info", small_index()).stdout),
                         json.loads(run(FORKLORE, "info", small_index(), "--json").stdout))
        self.assertEqual(run(FORKLORE, "verify", small_index()).returncode, 0)
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            dump, index = os.path.join(folder, "w.xml"), os.path.join(folder, "w.flk")
            self.assertEqual(run(FORKLORE, "generate", "wiki", "--pages", "20", "--seed", "1", "-o",
                                 dump).returncode, 0)
            self.assertEqual(run(FORKLORE, "build", dump, "-o", index).returncode, 0)
            self.assertEqual(run(FORKLORE, "verify", index).returncode, 0)
        self.assertNotEqual(run(FORKLORE, "verify", __file__).returncode, 0)


class UnreachableTest(unittest.TestCase):
    def assert_unreachable(self, path, code=UNREACHABLE, env=None):
        arguments = ["-s", path] if path is not None else []
        for command in (["ping"], ["--json", "lookup", "x"], ["live"], ["export", "links"]):
            done = run(FORKLORE, *arguments, *command, env=env)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(done.stdout, b"")
            self.assertTrue(done.stderr.startswith(b"forklore: "))
        return done.stderr.decode()

    def test_nothing_there(self):
        path = os.path.join(scratch(), "nothing")
        self.assertIn(path, self.assert_unreachable(path))

    def test_left_by_a_dead_one(self):
        path = os.path.join(scratch(), "left")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        self.assertIn(path, self.assert_unreachable(path))

    def test_no_socket(self):
        self.assert_unreachable(__file__)

    def test_path_too_long(self):
        self.assertIn("107", self.assert_unreachable("/tmp/" + "x" * 200, USAGE))

    def test_where_the_socket_is(self):
        folder = tempfile.mkdtemp(dir=scratch())
        first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
        for environment, option, where in (
                ({"FORKLORE_SOCKET": first, "XDG_RUNTIME_DIR": folder}, second, second),
                ({"FORKLORE_SOCKET": first, "XDG_RUNTIME_DIR": folder}, None, first),
                ({"FORKLORE_SOCKET": "", "XDG_RUNTIME_DIR": folder}, None,
                 os.path.join(folder, "forklore.sock"))):
            self.assertIn(where + ":", self.assert_unreachable(option, env=environment))


class HostileServer:
    """A socket that answers every request with the same bytes, `%ID` being the msgid's place."""

    def __init__(self, answer):
        self.path = os.path.join(tempfile.mkdtemp(dir=scratch()), "socket")
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                unpacker = msgpack.Unpacker(raw=False)
                try:
                    self.converse(connection, unpacker)
                except OSError:
                    pass

    def converse(self, connection, unpacker):
        while data := connection.recv(65536):
            unpacker.feed(data)
            for request in unpacker:
                answer = self.answer(request)
                if answer is None:
                    return
                connection.sendall(answer)


def result(value):
    return lambda request: msgpack.packb([1, request[1], None, value])


class HostileAnswerTest(unittest.TestCase):
    """Whatever a server sends, the client ends with a message: no crash, no endless loop, no
    control character on a terminal."""

    CALLS = [["lookup", "x"], ["prefix", "x"], ["page", "x"], ["links", "x"], ["rank", "x"], ["top"],
             ["related", "x"], ["path", "x", "y"], ["random"], ["jobs"], ["job", "1"], ["cancel", "1"],
             ["watch", "1"], ["submit", "pagerank"], ["submit", "pagerank", "--wait"],
             ["export", "scores"], ["export", "links"], ["export", "titles"], ["status"],
             ["live", "-n", "1"], ["reload"], ["shutdown"], ["ping"]]

    def call(self, server, *arguments, timeout="20"):
        done = run(FORKLORE, "-s", server.path, "--timeout", timeout, *arguments)
        self.assertIn(done.returncode, range(5), (arguments, done.stderr))
        if done.returncode == REFUSED:
            reason = done.stderr.splitlines()[-1] # the progress of a job may come before it
            self.assertTrue(reason.startswith((b"forklore: ", b"{")), (arguments, done.stderr))
        self.assertNotIn(b"\x1b", done.stderr)
        return done

    def test_wrong_values(self):
        deep = []
        for _ in range(12):
            deep = [deep]
        for value in (None, True, -1, 1.5, "text", b"bin", [], {}, [[]], [{}], {"": 1}, {1: 2}, deep,
                      [None] * 5, {"title": None}, {"titles": 5, "rows": 5, "next": 1},
                      {"title": [], "rank": "x", "score": {}, "titles": [1, 2], "rows": [1],
                       "job": "x", "id": 1, "state": 7, "next": "x", "generation": 1},
                      {"rows": [], "next": 1, "generation": 1}, msgpack.ExtType(5, b"x" * 9)):
            with HostileServer(result(value)) as server:
                for call in self.CALLS:
                    if call[0] in ("watch",) or "--wait" in call:
                        continue
                    done = self.call(server, *call)
                    if call[0] not in ("prefix", "top", "related", "jobs", "shutdown", "ping", "reload"):
                        self.assertEqual(done.returncode, REFUSED, (call, value, done.stdout))
                    for line in self.call(server, "--json", *call).stdout.splitlines():
                        if call[0] not in ("export", "live"):
                            json.loads(line)

    def test_wrong_errors(self):
        for error in (True, 5, "no", [], {}, {"code": 5, "message": []}, {"code": "x\x1b[2J"},
                      {"message": "y\x1b[2J\n" * 50, "code": "internal"}, {"code": "not_found"}):
            with HostileServer(lambda request, error=error:
                               msgpack.packb([1, request[1], error, None])) as server:
                for call in self.CALLS:
                    expected = NOT_FOUND if error == {"code": "not_found"} else REFUSED
                    self.assertEqual(self.call(server, *call).returncode, expected)

    def test_wrong_frames(self):
        for frame in (b"\xc1", b"\x90", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x91" * 5000,
                      b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", msgpack.packb([1, 2]),
                      msgpack.packb([1, 999, None, "another's"]), msgpack.packb([2, "progress", []]),
                      msgpack.packb([0, 1, "ping", []]), msgpack.packb([1, "1", None, None]),
                      msgpack.packb([1, 0, {"code": "overloaded", "message": "full"}, None]), b"\x94\x01",
                      None):
            with HostileServer(lambda _, frame=frame: frame) as server:
                for call in (["ping"], ["lookup", "x"], ["watch", "1"]):
                    self.assertEqual(self.call(server, *call, timeout="0.2").returncode, REFUSED,
                                     frame)

    def test_random_answers(self):
        random.seed(3)
        valid = {"title": "Alpha", "id": 1, "redirect_from": None, "rank": 1, "score": 0.5, "links": 2,
                 "backlinks": 3, "bytes": 4, "titles": ["a", "b"], "total": 2, "length": 1,
                 "rows": [[0.5, "Alpha"]], "next": None, "generation": 1, "text": "x", "of": 1}
        for _ in range(60):
            data = bytearray(msgpack.packb(valid))
            for _ in range(random.randrange(1, 6)):
                data[random.randrange(len(data))] = random.getrandbits(8)
            with HostileServer(lambda request, data=bytes(data):
                               b"\x94\x01" + msgpack.packb(request[1]) + b"\xc0" + data) as server:
                for call in random.sample(self.CALLS[:9] + self.CALLS[15:18], 3):
                    self.call(server, *call, timeout="0.2")

    def test_progress_of_another_kind(self):
        for job in (None, {}, 5, {"id": 1, "state": "done"}, {"id": 2, "state": "done"},
                    {"id": 1, "state": "done", "iteration": 2**64 - 1, "iterations": 0,
                     "change": float("nan"), "tolerance": 1e-300, "seconds": float("inf"),
                     "kind": "x\x1b", "precision": "", "seeds": 0, "top": [{}]}):
            def answer(request, job=job):
                reply = {"job": 1} if request[2] == "submit" else {"id": 1, "state": "running"}
                frame = msgpack.packb([1, request[1], None, reply])
                return frame + (msgpack.packb([2, "progress", [job]]) if request[2] == "watch" else b"")
            with HostileServer(answer) as server:
                for call in (["watch", "1"], ["submit", "pagerank", "--wait"], ["--json", "watch", "1"]):
                    self.call(server, *call, timeout="0.2")

    def test_nothing_obeyed_on_a_terminal(self):
        evil = "a\x1b[2Jb\x07\u202ec\x9bd\u2066"
        page = {"title": evil, "id": 1, "redirect_from": evil, "rank": 1, "score": 1, "links": 1,
                "backlinks": 1, "bytes": 1, "text": evil + "\nnext\tline", "of": 1, "generation": 1,
                "titles": [evil], "total": 1, "rows": [[0.5, evil]], "next": None}
        with HostileServer(result(page)) as server:
            for call in (["lookup", "x"], ["page", "x"], ["links", "x"], ["rank", "x"], ["path", "x", "y"],
                         ["export", "scores"], ["--json", "lookup", "x"]):
                code, shown = on_terminal("-s", server.path, *call, env={"NO_COLOR": "1"})
                self.assertEqual(code, DONE, (call, shown))
                for character in "\x1b\x07\u202e\x9b\u2066":
                    self.assertNotIn(character, shown, call)
                self.assertIn("u202e", shown)
            done = run(FORKLORE, "-s", server.path, "page", "x")
            self.assertEqual(done.stdout.decode(), page["text"])
        with HostileServer(result([{"title": evil, "rank": 1, "score": 1, "target": evil}])) as server:
            for call in (["top"], ["prefix", "x"], ["related", "x"]):
                _, shown = on_terminal("-s", server.path, *call, env={"NO_COLOR": "1"})
                self.assertNotIn("\x1b", shown)
                self.assertIn("\\x1b[2J", shown)

    def test_numbers_survive(self):
        values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 1e22, -0.0, 2.0, 2**64 - 1, -2**63]
        with HostileServer(result(values)) as server:
            got = json.loads(self.call(server, "--json", "top").stdout)
            self.assertEqual([repr(x) for x in got], [repr(x) for x in values])
        strings = ["\"\\/\b\f\n\r\t\x00\x7f", "日本 \U0001F600", "\ud7ff\ue000"]
        with HostileServer(result(strings)) as server:
            self.assertEqual(json.loads(self.call(server, "--json", "top").stdout), strings)
        with HostileServer(lambda request: b"\x94\x01" + msgpack.packb(request[1]) +
                           b"\xc0\x91\xa4a\xff\xc3z") as server:
            self.assertEqual(json.loads(self.call(server, "--json", "top").stdout),
                             ["a\ufffd\ufffdz"])

    def test_export_leaves_no_half_file(self):
        pieces = {0: {"rows": [[0.5, "Alpha"]], "next": 1, "generation": 1},
                  1: {"rows": [[0.5, "bad\ttitle"]], "next": None, "generation": 1}}
        folder = tempfile.mkdtemp(dir=scratch())
        path = os.path.join(folder, "out.tsv")
        with HostileServer(lambda request:
                           msgpack.packb([1, request[1], None, pieces[request[3][1]]])) as server:
            self.assertEqual(self.call(server, "export", "scores", "-o", path).returncode, REFUSED)
        self.assertEqual(os.listdir(folder), [])

    def test_export_begins_again_when_the_index_changes(self):
        calls = []

        def answer(request):
            calls.append(request[3][1])
            generation = 1 if len(calls) < 2 else 2
            rows = [[0.5, f"{generation}-{request[3][1]}"]]
            following = request[3][1] + 1 if request[3][1] < 2 else None
            return msgpack.packb([1, request[1], None, {"rows": rows, "next": following,
                                                        "generation": generation}])
        path = os.path.join(tempfile.mkdtemp(dir=scratch()), "out.tsv")
        with HostileServer(answer) as server:
            self.assertEqual(self.call(server, "export", "scores", "-o", path).returncode, DONE)
        with open(path, encoding="utf-8") as out:
            self.assertEqual([line.split("\t")[1].strip() for line in out], ["2-0", "2-1", "2-2"])
        self.assertEqual(calls, [0, 1, 0, 1, 2])

    def test_a_server_that_does_not_answer(self):
        with HostileServer(lambda _: b"") as server:
            began = time.monotonic()
            self.assertEqual(self.call(server, "ping", timeout="0.2").returncode, REFUSED)
            self.assertLess(time.monotonic() - began, PATIENCE_S / 2)


if __name__ == "__main__":
    unittest.main()
