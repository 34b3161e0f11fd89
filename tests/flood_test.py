# SPDX-License-Identifier: MIT
"""Clients that ask for too much, do not read, do nothing, or are simply many: everybody else is
served."""
import os
import resource
import socket
import time
import unittest

import msgpack

from harness import PATIENCE_S, UNDER, WORKERS, Daemon, small_index, synthetic_index, wait_for


class Floods(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(synthetic_index(2000), "--workers", WORKERS, "--max-queue", "512",
                            "--request-timeout", "600000")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def test_a_flood_fills_the_queue_for_itself_only(self):
        with self.daemon.connect() as quiet:
            titles = [page["title"] for page in quiet.call("top", 50)]
            floods = [self.daemon.connect() for _ in range(6)]
            request = b"".join(msgpack.packb([0, i, "export", ["links", 0, 10000]])
                               for i in range(250))
            for flood in floods:
                flood.send(request)
            # All in one go, so that they meet a queue that the floods have filled.
            wanted = {i: title for i, title in enumerate(titles[:20])}
            for title in wanted.values():
                self.assertEqual(quiet.call("lookup", title)["title"], title)
            status = quiet.call("status")["queue"]
            self.assertGreater(status["waiting"], 0, "the floods are over: nothing is shown")
            for flood in floods:
                flood.close()
            self.assertEqual(quiet.call("lookup", titles[0])["title"], titles[0])

    def test_who_does_not_read(self):
        with self.daemon.connect() as quiet:
            slow = self.daemon.connect()
            title = quiet.call("top", 1)[0]["title"]
            # More than fits the socket's buffers; nothing is ever read.
            slow.send(b"".join(msgpack.packb([0, i, "export", ["links", 0, 10000]])
                               for i in range(60)))
            for _ in range(50):
                self.assertEqual(quiet.call("lookup", title)["title"], title)
            slow.close()

    def test_who_never_reads_is_dropped(self):
        """What was asked for before anything was unsent may come: up to 64 MiB of it."""
        with Daemon(synthetic_index(2000), "--workers", WORKERS, "--max-queue", "4096",
                    "--max-in-flight", "2048") as daemon, daemon.connect() as quiet:
            answer_bytes = len(msgpack.packb(quiet.call("export", "links", 0, 10000)))
            slow = daemon.connect()
            slow.send(b"".join(msgpack.packb([0, i, "export", ["links", 0, 10000]])
                               for i in range((80 << 20) // answer_bytes)))
            wait_for(lambda: quiet.call("status")["connections"] == 1, "dropping the connection")
            self.assertRegex(daemon.log(), r"connection=\d+ event=dropped unsent=\d+ "
                                           r'error="the client does not read"\n')
            self.assertEqual(quiet.call("ping"), "pong")
            slow.close()

    def test_half_frames_and_the_dead(self):
        with self.daemon.connect() as quiet:
            title = quiet.call("top", 1)[0]["title"]
            for cut in range(1, 12):
                dead = self.daemon.connect()
                dead.send(msgpack.packb([0, 1, "export", ["links", 0, 10000]])[:cut])
                if cut % 2:
                    dead.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
                dead.close()
            gone = self.daemon.connect()
            gone.send(msgpack.packb([0, 1, "export", ["links", 0, 10000]]) * 100)
            gone.close()
            self.assertEqual(quiet.call("lookup", title)["title"], title)
            deadline = time.monotonic() + PATIENCE_S
            while quiet.call("status")["connections"] > 1:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Descriptors(unittest.TestCase):
    def test_ten_thousand_idle_connections(self):
        count = 2000 if UNDER else 10000
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        if before[1] != resource.RLIM_INFINITY and before[1] < count + 600:
            self.skipTest(f"no more than {before[1]} descriptors here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 600, before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        with Daemon(small_index()) as daemon, daemon.connect() as rpc:
            idle = []
            for _ in range(count):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(daemon.path)
                idle.append(connection)
            status = rpc.call("status")
            deadline = time.monotonic() + PATIENCE_S
            while rpc.call("status")["connections"] < count + 1:
                self.assertLess(time.monotonic(), deadline, status["connections"])
            for _ in range(100):
                self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
            with daemon.connect() as late:
                self.assertEqual(late.call("ping"), "pong")
            # One of them wakes up.
            idle[count // 2].sendall(msgpack.packb([0, 9, "ping", []]))
            self.assertEqual(msgpack.unpackb(idle[count // 2].recv(100))[:2], [1, 9])
            for connection in idle:
                connection.close()

    def limited(self, limits):
        return Daemon(small_index(), under=["sh", "-c", f'ulimit {limits}; exec "$0" "$@"'])

    def test_the_limit_is_raised(self):
        """Of a limit that may be raised as much is used as is needed."""
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1000:
            self.skipTest("the limit may not be raised")
        with self.limited("-Sn 64") as daemon:
            connections = [daemon.connect() for _ in range(200)]
            for connection in connections:
                self.assertEqual(connection.call("ping"), "pong")
            for connection in connections:
                connection.close()

    def test_some_are_kept(self):
        """However many come: there are enough for the daemon's own work."""
        with self.limited("-n 100") as daemon, daemon.connect() as rpc:
            refused, connections = 0, []
            for _ in range(120):
                connection = daemon.connect()
                connections.append(connection)
                try:
                    connection.send([0, 1, "ping", []])
                    connection.answer(1)
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    refused += 1
            self.assertGreater(refused, 0)
            self.assertGreater(len(connections) - refused, 10)
            self.assertNotIn("event=accept-failed", daemon.log())
            self.assertGreater(rpc.call("reload")["generation"], 1)
            self.assertEqual(rpc.pagerank(workers=4)["state"], "done")
            for connection in connections:
                connection.close()

    def test_no_descriptors_left(self):
        with Daemon(small_index()) as daemon:
            used = max(int(fd) for fd in os.listdir(f"/proc/{daemon.process.pid}/fd"))
        few = ["sh", "-c", f'ulimit -n {used + 3}; exec "$0" "$@"']
        with Daemon(small_index(), under=few) as daemon, daemon.connect() as rpc:
            waiting = []
            while "event=accept-failed" not in daemon.log():
                connection = daemon.connect()
                connection.send([0, 1, "ping", []])
                waiting.append(connection)
                self.assertLess(len(waiting), 100)
                self.assertEqual(rpc.call("ping"), "pong")
            # However much room it was that somebody made meanwhile, now there is none.
            for _ in range(5):
                waiting.append(daemon.connect())
                waiting[-1].send([0, 1, "ping", []])
            # Those who are in are served, and it does not spin.
            spent, since = processor_seconds(daemon.process.pid), time.monotonic()
            time.sleep(1)
            self.assertEqual(rpc.call("lookup", "Alpha")["title"], "Alpha")
            spent = processor_seconds(daemon.process.pid) - spent
            self.assertLess(spent, 0.5 * (time.monotonic() - since))
            # Once, or again if a connection that had just ended made room meanwhile.
            self.assertLessEqual(daemon.log().count("event=accept-failed"), 3)
            # Room for one is made by one who leaves: all get in, one after the other.
            for connection in waiting:
                self.assertEqual(connection.answer(1), "pong")
                connection.close()
            with daemon.connect() as late:
                self.assertEqual(late.call("ping"), "pong")


if __name__ == "__main__":
    unittest.main()
