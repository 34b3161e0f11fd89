# SPDX-License-Identifier: MIT
"""Starting and stopping: sources, options, signals, reloads, and too little shared memory."""
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import msgpack

from harness import (FORKLORED, HOUR_MS, PAGES, PATIENCE_S, PATIENT, RpcError, UNDER, children, run,
                     small_dump, synthetic_index, wait_for)
from start_fixture import At, StartTest


class Sources(StartTest):
    def setUp(self):
        super().setUp()
        self.temporary = os.path.join(self.folder, "tmp")
        os.mkdir(self.temporary)
        self.env = {"TMPDIR": self.temporary}

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(content)
        return path

    def serve(self, *source):
        return At(self.path, "--socket", self.path, *source, env=self.env)

    def test_dump(self):
        with self.serve("--dump", self.write("dump.xml", small_dump())) as daemon:
            self.assertEqual(os.listdir(self.temporary), [])
            with daemon.connect() as rpc:
                for title, text in PAGES.items():
                    self.assertEqual(rpc.call("page", title, "wikitext")["text"], text)
                self.assertEqual(rpc.call("status")["index"]["pages"], len(PAGES))
                with self.assertRaises(RpcError) as caught:
                    rpc.call("reload")  # of a file that has no name any more
                self.assertEqual(caught.exception.code, "bad_params")
                self.assertEqual(rpc.call("ping"), "pong")
        self.assertEqual(os.listdir(self.temporary), [])

    def test_edges(self):
        with self.serve("--edges", self.write("e.tsv", "Alpha\tBeta\nBeta\tGamma\n")) as daemon:
            self.assertEqual(os.listdir(self.temporary), [])
            with daemon.connect() as rpc:
                self.assertEqual(rpc.call("links", "Beta")["titles"], ["Gamma"])
                with self.assertRaises(RpcError) as caught:
                    rpc.call("page", "Alpha")
                self.assertEqual(caught.exception.code, "not_available")
        with self.serve("--edges", self.write(
                "m.mtx", "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 1\n3 1\n")) as d:
            with d.connect() as rpc:
                self.assertEqual(rpc.call("links", "1")["titles"], ["3"])

    @unittest.skipIf(UNDER == "thread", "a minute of it shows nothing that smaller wikis do not")
    def test_demo(self):
        with self.serve("--demo") as daemon, daemon.connect() as rpc:
            self.assertEqual(os.listdir(self.temporary), [])
            self.assertGreater(rpc.call("status")["index"]["pages"], 10000)
            title = rpc.call("top", 1)[0]["title"]
            self.assertTrue(rpc.call("page", title)["text"])

    def test_signals_while_it_builds(self):
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            with self.subTest(signal=number):
                process = subprocess.Popen([FORKLORED, "-q", "--demo", "--socket", self.path],
                                           env={**os.environ, **self.env})
                wait_for(lambda: os.listdir(self.temporary), "the temporary folder")
                process.send_signal(number)
                self.assertEqual(process.wait(PATIENCE_S), -number)
                self.assertEqual(os.listdir(self.temporary), [])

    def test_sources_that_are_none(self):
        missing = os.path.join(self.folder, "missing")
        broken = self.write("broken.xml", small_dump()[:1000])
        edges = self.write("broken.tsv", "1 2\n3 -4\n")
        for arguments, status, words in (
                (["--dump", missing], 4, [missing, "No such file or directory"]),
                (["--edges", missing], 4, [missing, "No such file or directory"]),
                (["--index", missing], 1, [missing, "No such file or directory"]),
                (["--dump", broken], 4, [broken, "line ", "cut off"]),
                (["--edges", edges], 4, [edges, "line 2: negative number"]),
                (["--dump", self.index], 4, [self.index, "not a MediaWiki export"])):
            with self.subTest(arguments=arguments):
                self.refuse(status, *words, arguments=["--socket", self.path, *arguments],
                            env=self.env)
                self.assertEqual(os.listdir(self.temporary), [])

    def test_no_room_for_temporary_files(self):
        missing = os.path.join(self.folder, "missing")
        for source in ["--demo"], ["--dump", self.write("dump.xml", small_dump())]:
            self.refuse(4, "cannot create " + missing, "No such file or directory",
                        arguments=["--socket", self.path, *source], env={"TMPDIR": missing})

    def test_map(self):
        with At(self.path, "--socket", self.path, "--index", self.index, "--map", "--workers",
                "processes:2") as daemon, daemon.connect() as rpc:
            names = [s["name"] for s in rpc.call("status")["segments"]]
            self.assertFalse([name for name in names if ".index-" in name], names)
            for title, text in PAGES.items():
                self.assertEqual(rpc.call("page", title, "wikitext")["text"], text)
            self.assertEqual(rpc.call("related", ["Alpha"])[0]["title"][:1].isupper(), True)
            self.assertEqual(rpc.pagerank()["state"], "done")
            self.assertGreater(rpc.call("reload")["generation"], 1)
            self.assert_serves(daemon)

    def test_huge_pages(self):
        # Large enough to have huge pages.
        large = synthetic_index(8000)
        self.assertGreater(os.path.getsize(large), 2 << 20)
        for when in "off", "auto", "on":
            with self.subTest(when=when):
                try:
                    daemon = At(self.path, "--socket", self.path, "--index", large, "--huge-pages",
                                when)
                except AssertionError as refused:
                    self.assertEqual(when, "on", refused)
                    self.assertIn("--huge-pages on: the kernel refuses", str(refused))
                    continue
                with daemon, daemon.connect() as rpc:
                    self.assertEqual(len(rpc.call("top", 10)), 10)

    def test_workers(self):
        for mode, count in ("processes", 1), ("processes", 3), ("threads", 1), ("threads", 3):
            with self.subTest(mode=mode, count=count):
                with At(self.path, "--socket", self.path, "--index", self.index, "--workers",
                        f"{mode}:{count}") as daemon, daemon.connect() as rpc:
                    status = rpc.call("status")
                    self.assertEqual((status["mode"], len(status["workers"])), (mode, count))
                    pids = {w["pid"] for w in status["workers"]}
                    self.assertEqual(len(pids), count if mode == "processes" else 1)
                    self.assertEqual(daemon.process.pid in pids, mode == "threads")
                    self.assert_serves(daemon)


class Options(StartTest):
    def test_bad_ones(self):
        index = ["--index", self.index]
        cases = [
            ([], "one of --index, --dump, --edges and --demo is needed"),
            (["--workers", "threads:1"], "one of --index, --dump, --edges and --demo is needed"),
            ([*index, "--demo"], "only one of --index, --dump, --edges and --demo"),
            ([*index, "--dump", "x"], "only one of --index, --dump, --edges and --demo"),
            ([*index, "serve"], 'unexpected argument "serve"'),
            (["frobnicate"], 'unexpected argument "frobnicate"'),
            ([*index, "--huge-pages", "maybe"], '--huge-pages: "maybe" is none of its values'),
            ([*index, "--exchange", "pigeon"], '--exchange: "pigeon" is none of its values'),
            ([*index, "--max-frame", "63"], '--max-frame: "63" is no number from 64 to 16777216'),
            ([*index, "--max-frame", "1e3"], '--max-frame: "1e3" is no number'),
            ([*index, "--max-connections", "0"], '--max-connections: "0" is no number from 1'),
            ([*index, "--max-connections", "-5"], '--max-connections: "-5" is no number'),
            ([*index, "--max-in-flight", ""], '--max-in-flight: "" is no number'),
            ([*index, "--max-queue", "9" * 30], "--max-queue: "),
            ([*index, "--request-timeout", "soon"], '--request-timeout: "soon" is no number'),
            ([*index, "--drain-timeout", "0"], '--drain-timeout: "0" is no number from 1'),
            ([*index, "--socket-mode", "0888"], '--socket-mode: "0888" is no number'),
        ]
        cases += [([*index, "--workers", bad], f'--workers: "{bad}" is neither processes:N nor')
                  for bad in ("3", "fibers:3", "processes:0", "processes:65", "threads:", ":3",
                              "threads:-1", "processes:2x")]
        for arguments, words in cases:
            with self.subTest(arguments=arguments):
                said = self.refuse(2, words, arguments=["--socket", self.path, *arguments])
                self.assertIn("Try `forklored --help`", said)

    def test_unknown_ones(self):
        for command in [], ["build"], ["generate"], ["verify"], ["info"]:
            for bad in "--frobnicate", "-Z":
                with self.subTest(command=command, bad=bad):
                    done = run(FORKLORED, *command, bad)
                    self.assertEqual((done.returncode, done.stdout), (2, b""))
                    self.assertIn(bad.strip("-").encode(), done.stderr)
                    self.assertIn(f"Try `{' '.join(['forklored', *command])} --help`".encode(),
                                  done.stderr)

    def test_subcommands_without_what_they_need(self):
        for arguments, words in (
                (["build"], "one dump is needed"), (["build", "x"], "-o INDEX is needed"),
                (["build", "x", "y", "-o", "z"], "one dump is needed"),
                (["build", "x", "-o", "z", "--level", "20"], "--level takes a number from 1 to 19"),
                (["generate"], "one of wiki, kronecker, uniform is needed"),
                (["generate", "forest"], "one of wiki, kronecker, uniform is needed"),
                (["generate", "wiki", "--pages", "-1"], "out of range"),
                (["verify"], "one index file is needed"), (["info"], "one index file is needed"),
                (["verify", "x", "y"], "one index file is needed")):
            with self.subTest(arguments=arguments):
                done = run(FORKLORED, *arguments, cwd=self.folder)
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertIn(words.encode(), done.stderr)
                self.assertIn(f"Try `forklored {arguments[0]} --help`".encode(), done.stderr)
        self.assertEqual(self.names(), [])

    def test_help(self):
        for command in [], ["build"], ["generate"], ["verify"], ["info"]:
            for option in "--help", "-h":
                with self.subTest(command=command, option=option):
                    done = run(FORKLORED, *command, option)
                    self.assertEqual((done.returncode, done.stderr), (0, b""))
                    self.assertTrue(done.stdout.startswith(
                        " ".join(["Usage: forklored", *command]).encode()), done.stdout)
        overview = run(FORKLORED, "--help").stdout.decode()
        for option in ("--index", "--dump", "--edges", "--demo", "--socket", "--workers",
                       "--exchange", "--map", "--huge-pages", "--max-connections",
                       "--max-in-flight", "--max-queue", "--max-frame", "--request-timeout",
                       "--drain-timeout", "--hang-timeout", "--no-sandbox", "--socket-mode",
                       "--quiet", "--verbose", "--version"):
            self.assertIn(option, overview)

    def test_version(self):
        for option in "--version", "-V":
            done = run(FORKLORED, option)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertRegex(done.stdout.decode(), r"\Aforklored \d+\.\d+\.\d+\n\Z")

    def test_quiet(self):
        with At(self.path, "--socket", self.path, "--index", self.index, "--quiet") as daemon:
            self.assert_serves(daemon)
        self.assertEqual(daemon.log(), "")


class Signals(StartTest):
    """Workers that are held with SIGSTOP keep requests running for as long as a test wants. What
    the daemon has to do on its own, it does in less than the hour that it is given."""

    def held(self, *options, **how):
        """A daemon with requests that run, its connection, and the requests' ids."""
        daemon = At(self.path, "--socket", self.path, "--index", self.index, "--workers",
                    "processes:2", *PATIENT, "--drain-timeout", HOUR_MS, *options, **how)
        self.addCleanup(daemon.kill)
        rpc = daemon.connect()
        self.addCleanup(rpc.close)
        held = children(daemon.process.pid)
        self.assertEqual(len(held), 2)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        ids = set(range(100, 140))
        rpc.send(b"".join(msgpack.packb([0, msgid, "lookup", ["Alpha"]]) for msgid in ids))
        with daemon.connect() as other:
            wait_for(lambda: sum(other.call("status")["queue"][part] for part in
                                 ("waiting", "in_flight")) == len(ids), "taking of the requests")
        return daemon, rpc, ids, held

    def assert_answers_first(self, send, **how):
        daemon, rpc, ids, held = self.held(**how)
        with daemon.connect() as late:
            self.assertEqual(late.call("ping"), "pong")
            send(daemon)
            wait_for(lambda: not os.path.exists(self.path), "closing of the socket")
            self.assertIsNone(daemon.process.poll())
            with self.assertRaises(RpcError) as caught:
                late.call("lookup", "Alpha")
            self.assertEqual(caught.exception.code, "shutting_down")
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        while ids:
            _, msgid, error, result = rpc.receive()
            self.assertIsNone(error)
            self.assertEqual(result["title"], "Alpha")
            ids.remove(msgid)
        self.assertIsNone(rpc.receive())
        self.assertEqual(daemon.wait(), 0)
        daemon.stop()
        self.assertEqual(self.names(), [])

    def test_sigterm_answers_first(self):
        self.assert_answers_first(lambda daemon: daemon.process.send_signal(signal.SIGTERM))

    def test_sigint_answers_first(self):
        self.assert_answers_first(lambda daemon: daemon.process.send_signal(signal.SIGINT))

    def test_control_c_goes_to_workers_too(self):
        self.assert_answers_first(lambda daemon: os.killpg(daemon.process.pid, signal.SIGINT),
                                  start_new_session=True)

    def test_the_shutdown_method_answers_first(self):
        def shutdown(daemon):
            with daemon.connect() as rpc:
                self.assertIs(rpc.call("shutdown"), True)
        self.assert_answers_first(shutdown)

    def test_a_second_signal_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
                              (signal.SIGTERM, signal.SIGINT)):
            with self.subTest(first=first, second=second):
                daemon, rpc, _, _ = self.held()
                daemon.process.send_signal(first)
                wait_for(lambda: not os.path.exists(self.path), "closing of the socket")
                time.sleep(0.1)
                self.assertIsNone(daemon.process.poll(), "it did not wait for the first")
                daemon.process.send_signal(second)
                daemon.wait()
                self.assertIsNone(rpc.receive())
                daemon.stop()
                self.assertEqual(self.names(), [])

    def test_the_wait_ends(self):
        daemon, rpc, _, _ = self.held("--drain-timeout", "100")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait()
        self.assertIsNone(rpc.receive())
        daemon.stop()
        self.assertEqual(self.names(), [])

    def test_a_job_does_not_hold_it_up(self):
        for _ in range(3):
            self.end_a_job()

    def patient(self, index):
        return At(self.path, "--socket", self.path, "--index", index, "--drain-timeout",
                  HOUR_MS)

    def end_a_job(self):
        with self.patient(synthetic_index(2000)) as daemon, daemon.connect() as rpc:
            rpc.call("submit", tolerance=0, iterations=100000)
            job = rpc.call("submit", tolerance=0, iterations=100000)["job"]
            self.assertIn(rpc.call("job", job)["state"], ("queued", "running"))
            daemon.stop()

    def test_idle_connections_do_not_hold_it_up(self):
        with self.patient(self.index) as daemon, daemon.connect() as idle, daemon.connect() as half:
            half.send(msgpack.packb([0, 1, "lookup", ["Alpha"]])[:-2])
            self.assertEqual(idle.call("ping"), "pong")
            daemon.stop()
            self.assertIsNone(idle.receive())

    def test_while_it_starts(self):
        """At whatever moment: it ends, and nothing is left."""
        index = synthetic_index(2000)
        for delay_ms in 0, 1, 2, 4, 6, 8, 12, 20, 40:
            for number in signal.SIGTERM, signal.SIGINT:
                with self.subTest(delay_ms=delay_ms, number=number):
                    daemon = At(self.path, "--socket", self.path, "--index", index, serves=False)
                    time.sleep(delay_ms / 1000)
                    daemon.process.send_signal(number)
                    # Before it has a handler the signal itself is its end.
                    self.assertIn(daemon.wait(), (0, -number), daemon.log())
                    self.assertEqual(self.names(), [])


class Reloads(StartTest):
    def setUp(self):
        super().setUp()
        self.daemon = At(self.path, "--socket", self.path, "--index", self.index, "--workers",
                         "processes:2")
        self.addCleanup(self.daemon.kill)
        self.rpc = self.daemon.connect()
        self.addCleanup(self.rpc.close)

    def refuse_reload(self, path, *words):
        with self.assertRaises(RpcError) as caught:
            self.rpc.call("reload", path)
        self.assertEqual(caught.exception.code, "bad_params")
        for word in words:
            self.assertIn(word, caught.exception.message)

    def test_under_load(self):
        other = synthetic_index(300)
        common = self.rpc.call("top", 1)[0]["title"]
        stop, trouble, answers = threading.Event(), [], [0]

        def hammer():
            try:
                with self.daemon.connect() as rpc:
                    while not stop.is_set():
                        frames = [[0, next(rpc.ids), "top", [3]] for _ in range(8)]
                        rpc.send(b"".join(map(msgpack.packb, frames)))
                        for _ in frames:
                            _, _, error, result = rpc.receive()
                            if error or len(result) != 3:
                                raise AssertionError(error or result)
                            answers[0] += 1
            except BaseException as error:
                trouble.append(error)

        thread = threading.Thread(target=hammer)
        thread.start()
        try:
            last = 1
            for i in range(10):
                before = answers[0]
                generation = self.rpc.call("reload", self.index if i % 2 else other)["generation"]
                self.assertGreater(generation, last)
                last = generation
                wait_for(lambda at=before: answers[0] > at or trouble, "an answer")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(trouble, [])
        self.assertGreater(answers[0], 80)
        self.assertEqual(self.rpc.call("top", 1)[0]["title"], common)
        status = self.rpc.call("status")
        self.assertEqual((status["index"]["pages"], status["queue"]["failed"]), (len(PAGES), 0))
        # Of the generations that were, nothing stays.
        wait_for(lambda: len([n for n in self.daemon.leftovers() if ".index-" in n]) == 1,
                 "removal of old generations")
        self.daemon.stop()

    def test_of_what_cannot_be_served(self):
        with open(self.index, "rb") as whole:
            content = whole.read()
        path = os.path.join(self.folder, "new.flk")
        self.refuse_reload(path, path, "No such file or directory")
        self.refuse_reload(self.folder, "not a regular file")
        os.mkfifo(path)
        self.refuse_reload(path, "not a regular file")
        os.remove(path)
        for damaged, words in (
                (content[:-64], "cut short"), (b"", "not a forklore index"),
                (small_dump().encode() * 2, "not a forklore index"),
                (content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], "is damaged"),
                (content[:24] + b"\1" + content[25:], "damaged")):
            with self.subTest(words=words, size=len(damaged)):
                with open(path, "wb") as out:
                    out.write(damaged)
                segments = self.daemon.leftovers()
                self.refuse_reload(path, path, words)
                self.assertEqual(sorted(self.daemon.leftovers()), sorted(segments))
                self.assertEqual(self.rpc.call("lookup", "Alpha")["title"], "Alpha")
                self.assertEqual(self.rpc.call("rank", "Alpha")["generation"], 1)
        with open(path, "wb") as out:
            out.write(content)
        self.assertGreater(self.rpc.call("reload", path)["generation"], 1)
        self.daemon.stop()

    def test_sighup(self):
        before = self.rpc.call("status")["index"]["generation"]
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.rpc.call("status")["index"]["generation"] > before, "the reload")
        self.assert_serves(self.daemon)
        self.daemon.stop()

    def test_a_job_and_a_failing_reload_do_not_meet(self):
        """A reload that fails while a job's scores are coming does not take them with it."""
        for _ in range(10):
            job = self.rpc.call("submit", precision="single")["job"]
            self.refuse_reload("/nonexistent", "nonexistent")
            self.rpc.call("watch", job)
            while True:
                _, _, [state] = self.rpc.notification()
                if state["state"] not in ("queued", "running"):
                    break
            self.assertEqual((state["state"], state["error"]), ("done", None))
            self.assertEqual(self.rpc.call("rank", "Alpha")["generation"], state["published"])
        self.daemon.stop()

    def test_the_client_leaves_before_the_answer(self):
        with self.daemon.connect() as hasty:
            hasty.send([0, 1, "reload", [synthetic_index(300)]])
        wait_for(lambda: self.rpc.call("status")["index"]["pages"] == 300, "the reload")
        self.daemon.stop()

    def test_shutdown_while_reloading(self):
        with self.daemon.connect() as other:
            other.send([0, 1, "reload", [synthetic_index(8000)]])
            self.assertIs(self.rpc.call("shutdown"), True)
            self.assertEqual(self.daemon.wait(), 0)
        self.daemon.stop()


class SharedMemory(StartTest):
    """In a mount namespace of its own, where /dev/shm is as small as the test wants it."""

    def setUp(self):
        super().setUp()
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/dev/shm"],
                          capture_output=True, check=False).returncode:
            self.skipTest("needs a mount namespace of its own")

    def inside(self, size, script, *arguments):
        return run("unshare", "-m", "sh", "-c",
                   'mount -t tmpfs -o size="$1" none /dev/shm || exit 99; shift; ' + script,
                   "sh", size, *arguments)

    def test_too_small(self):
        # For the index, for the first worker's rings, for the second's.
        index = synthetic_index(2000)
        for mode in "processes", "threads":
            for size in "64k", "1m", "2m", "3m":
                with self.subTest(mode=mode, size=size):
                    done = self.inside(size, '"$@"; s=$?; ls -A /dev/shm; exit $s', FORKLORED, "-s",
                                       self.path, "--index", index, "--workers", f"{mode}:4")
                    said = done.stderr.decode()
                    self.assertEqual(done.returncode, 1, said)
                    self.assertRegex(said, r"cannot reserve \d+ bytes in /dev/shm for segment "
                                           r"[a-z0-9./-]+: No space left on device")
                    self.assertEqual(done.stdout, b"", "left in /dev/shm")
                    self.assertEqual(self.names(), [])

    def test_too_small_for_building(self):
        dump = os.path.join(self.folder, "dump.xml")
        with open(dump, "w", encoding="utf-8") as out:
            out.write(small_dump())
        done = self.inside("8k", '"$@"; s=$?; ls -A /dev/shm; exit $s', FORKLORED, "build", "-q",
                           dump, "-o", os.path.join(self.folder, "out.flk"))
        self.assertEqual((done.returncode, done.stdout), (4, b""))
        self.assertRegex(done.stderr.decode(), "in /dev/shm .*No space left on device")
        self.assertEqual(self.names(), ["dump.xml"])

    def test_none_at_all(self):
        done = run("unshare", "-m", "sh", "-c",
                   'mount -t tmpfs none /dev/shm && mount -o remount,ro /dev/shm && "$@"', "sh",
                   FORKLORED, "-s", self.path, "--index", self.index)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), "cannot create /dev/shm/.*Read-only file system")
        self.assertEqual(self.names(), [])

    def test_too_small_for_a_reload_and_a_job(self):
        """What does not fit is refused; what is served stays."""
        large = synthetic_index(8000)
        handle, ready = tempfile.mkstemp(dir=self.folder)
        os.close(handle)
        daemon = At(self.path, "-m", "sh", "-c",
                    'mount -t tmpfs -o size=4m none /dev/shm && exec "$@"', "sh", FORKLORED, "-s",
                    self.path, "--index", self.index, "--workers", "processes:2",
                    executable="/usr/bin/unshare") if os.path.exists("/usr/bin/unshare") else None
        os.remove(ready)
        if not daemon:
            self.skipTest("unshare is somewhere else")
        self.addCleanup(daemon.kill)
        with daemon.connect() as rpc:
            with self.assertRaises(RpcError) as caught:
                rpc.call("reload", large)
            self.assertEqual(caught.exception.code, "bad_params")
            self.assertIn("No space left on device", caught.exception.message)
            state = rpc.pagerank(workers=8)
            self.assertEqual(state["state"], "failed")
            self.assertIn("No space left on device", state["error"])
            self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)


if __name__ == "__main__":
    unittest.main()
