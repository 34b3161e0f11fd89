# SPDX-License-Identifier: MIT
"""What a client can do wrong, or to its connection: the others must not notice."""
import random
import socket
import struct
import time
import unittest

import msgpack

from harness import PATIENCE_S, WORKERS, DaemonTest, RpcError, synthetic_index, wait_for


class FrameTest(DaemonTest):
    """What a client can do to its connection; the others must not notice."""

    OPTIONS = ["--workers", WORKERS, "--max-frame", "65536", "--max-in-flight", "64",
               "--max-connections", "40"]

    @classmethod
    def index(cls):
        return synthetic_index()

    def assert_alive(self):
        with self.daemon.connect() as other:
            self.assertEqual(other.call("ping"), "pong")
            self.assertEqual(len(other.call("top", 5)), 5)

    def assert_closed(self, connection, frames=0):
        for _ in range(frames):
            self.assertIsNotNone(connection.receive())
        self.assertIsNone(connection.receive())

    def test_garbage_ends_the_connection(self):
        for garbage in (b"\xc1", b"GET / HTTP/1.1\r\n\r\n", b'{"jsonrpc": "2.0"}\n', b"\x00", b"\xc0",
                        b"\xff" * 100, b"\x91" * 40, b"\x90", b"\x80", b"\x93\x05\x00\x00",
                        msgpack.packb([1, 5, None, "an answer"]), msgpack.packb([0]),
                        msgpack.packb([3, 1, "ping", []]), msgpack.packb([0, -1, "ping", []]),
                        msgpack.packb([0, "1", "ping", []]), msgpack.packb("ping")):
            with self.daemon.connect() as connection:
                connection.send(garbage)
                self.assert_closed(connection)
        self.assert_alive()

    def test_answers_before_garbage_are_sent(self):
        with self.daemon.connect() as connection:
            frames = [msgpack.packb([0, i, "top", [5]]) for i in range(20)]
            connection.send(b"".join(frames) + b"\xc1" + frames[0])
            seen = {connection.receive()[1] for _ in frames}
            self.assertEqual(seen, set(range(20)))
            self.assert_closed(connection)

    def test_bad_requests_with_msgid_are_answered(self):
        bad = [[0, 7], [0, 7, "ping"], [0, 7, 5, []], [0, 7, None, []], [0, 7, "ping", 3],
               [0, 7, "ping", [], 1], [0, 7, ["ping"], []], [0, 7, "ping", "[]"]]
        for frame in bad:
            self.rpc.send(frame)
            answer = self.rpc.receive()
            self.assertEqual(answer[:2] + [answer[2]["code"], answer[3]],
                             [1, 7, "bad_request", None], frame)
        self.assertEqual(self.rpc.call("ping"), "pong")

    def test_notifications_are_ignored(self):
        for frame in ([2, "ping", []], [2, "shutdown", []], [2, b"nvim_set_client_info", [1, 2]],
                      [2, "", {}]):
            self.rpc.send(frame)
        self.assertEqual(self.rpc.call("ping"), "pong")

    def test_msgids(self):
        for msgid in (0, 1, 127, 128, 2**16, 2**32 - 1, 2**32, 2**64 - 1):
            self.rpc.send([0, msgid, "top", [1]])
            self.assertEqual(len(self.rpc.answer(msgid)), 1)

    def test_half_a_frame_then_silence(self):
        frame = msgpack.packb([0, 9, "top", [3]])
        connections = []
        for cut in range(1, len(frame)):
            connection = self.daemon.connect()
            self.addCleanup(connection.close)
            connection.send(frame[:cut])
            connections.append((connection, cut))
        self.assert_alive()
        time.sleep(0.1)
        for connection, cut in connections:
            connection.send(frame[cut:])
            self.assertEqual(len(connection.answer(9)), 3)

    def test_half_a_frame_then_the_end(self):
        frame = msgpack.packb([0, 9, "top", [3]])
        for cut in range(1, len(frame)):
            with self.daemon.connect() as connection:
                connection.send(frame[:cut])
                connection.socket.shutdown(socket.SHUT_WR)
                self.assert_closed(connection)
        self.assert_alive()

    def test_answers_after_the_end_of_input(self):
        with self.daemon.connect() as connection:
            for i in range(30):
                connection.send([0, i, "top", [10]])
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual({connection.receive()[1] for _ in range(30)}, set(range(30)))
            self.assert_closed(connection)

    def test_byte_by_byte(self):
        for byte in msgpack.packb([0, 3, "top", {"limit": 4}]):
            self.rpc.send(bytes([byte]))
        self.assertEqual(len(self.rpc.answer(3)), 4)

    def test_a_frame_at_the_limit(self):
        head = msgpack.packb([0, 3, "lookup"]).replace(b"\x93", b"\x94", 1) + b"\x91\xdb"
        body = 65536 - len(head) - 4
        self.rpc.send(head + struct.pack(">I", body) + b"x" * body)
        self.assertEqual(self.rpc.receive()[2]["code"], "not_found")
        self.rpc.send(head + struct.pack(">I", body + 1) + b"x" * 100)
        answer = self.rpc.receive()
        self.assertEqual((answer[1], answer[2]["code"]), (3, "frame_too_big"))
        self.assert_closed(self.rpc)

    def test_frames_over_the_limit(self):
        head = b"\x94\x00\x05\xa4ping"
        for rest in (b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
                     b"\x91\xc6\x10\x00\x00\x00", b"\xdc\xff\xff" + b"\x01" * 70000):
            with self.daemon.connect() as connection:
                try:
                    connection.send(head + rest)
                except (BrokenPipeError, ConnectionResetError):
                    pass # closed before all was sent
                answer = connection.receive()
                self.assertEqual((answer[1], answer[2]["code"]), (5, "frame_too_big"))
                self.assert_closed(connection)
        for headless in (b"\xdb\xff\xff\xff\xff", b"\xdd\x7f\xff\xff\xff\x00"):
            with self.daemon.connect() as connection:
                connection.send(headless)
                self.assert_closed(connection)
        self.assert_alive()

    def test_pipelining(self):
        top = self.rpc.call("top", 200)
        random.seed(11)
        wanted, left = {}, 2000
        with self.daemon.connect() as connection:
            while left or wanted:
                while left and len(wanted) < 60:
                    page, left = random.choice(top), left - 1
                    msgid = random.getrandbits(50)
                    connection.send([0, msgid, *random.choice([
                        ("rank", [page["title"]]), ("rank", {"title": page["title"]}),
                        ("related", [[page["title"]], 3]), ("ping", [])])])
                    wanted[msgid] = page
                kind, msgid, error, result = connection.receive()
                self.assertEqual((kind, error), (1, None))
                page = wanted.pop(msgid)
                if isinstance(result, dict):
                    self.assertEqual((result["title"], result["rank"]),
                                     (page["title"], page["rank"]))

    def test_short_and_long_answers_in_one_go(self):
        """Batches of short requests with long ones in between, answers of some bytes and of more
        than a ring takes at once: each is the same as if it had been asked for alone."""
        titles = [page["title"] for page in self.rpc.call("top", 100)]
        random.seed(3)
        requests = [random.choice([("lookup", [title]), ("rank", [title]), ("prefix", [title[:2]]),
                                   ("export", ["links", 0, 10000]), ("no such", [title]),
                                   ("lookup", [title + "?" * 300])])
                    for title in random.choices(titles, k=60)]
        wanted = []
        for method, params in requests:
            self.rpc.send([0, 7, method, params])
            wanted.append(self.rpc.receive()[2:])
        self.rpc.send(b"".join(msgpack.packb([0, i, *request])
                               for i, request in enumerate(requests)))
        left = set(range(len(requests)))
        while left:
            kind, msgid, *answer = self.rpc.receive()
            left.remove(msgid)
            self.assertEqual((kind, answer), (1, wanted[msgid]), requests[msgid])

    def test_answers_overtake(self):
        """A short query is not kept waiting by a long one that was sent before it."""
        titles = [p["title"] for p in self.rpc.call("top", 100)]
        self.rpc.send(msgpack.packb([0, 1, "related", [titles, 1000, 0.99, 1e-9]]) +
                      msgpack.packb([0, 2, "ping", []]))
        self.assertEqual(self.rpc.receive()[1], 2)
        self.assertEqual(self.rpc.receive()[1], 1)

    def test_too_many_in_flight(self):
        titles = [p["title"] for p in self.rpc.call("top", 100)]
        slow = [0, 0, "related", [titles, 1000, 0.9, 1e-12]]
        self.rpc.send(b"".join(msgpack.packb([0, i] + slow[2:]) for i in range(200)))
        codes = {}
        for _ in range(200):
            _, msgid, error, _ = self.rpc.receive()
            self.assertNotIn(msgid, codes)
            codes[msgid] = error["code"] if error else None
        self.assertLessEqual(set(codes.values()), {None, "overloaded", "deadline"})
        self.assertIsNone(codes[0])
        self.assertIn("overloaded", codes.values())
        self.assertEqual(self.rpc.call("ping"), "pong")

    def test_a_client_that_does_not_read(self):
        request = msgpack.packb([0, 8, "export", ["links", 0, 10000]])
        slow = self.daemon.connect()
        self.addCleanup(slow.close)
        slow.socket.setblocking(False)
        sent, quiet_since = 0, time.monotonic()
        while time.monotonic() - quiet_since < 0.5 and sent < 10000 * len(request):
            try:
                sent += slow.socket.send(request[sent % len(request):])
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        self.assertLess(sent, 10000 * len(request), "the daemon takes requests without end")
        began = time.monotonic()
        for _ in range(20):
            self.assert_alive()
        self.assertLess(time.monotonic() - began, PATIENCE_S / 4)
        # It gets every answer once it reads.
        slow.socket.settimeout(PATIENCE_S)
        whole, rest = divmod(sent, len(request))
        for n in range(whole + (rest > 0)):
            if n == whole:
                slow.send(request[rest:])
            answer = slow.receive()
            self.assertEqual(answer[:2], [1, 8])
            if answer[2]:
                self.assertEqual(answer[2]["code"], "overloaded")
        self.assertEqual(slow.call("ping"), "pong")

    def test_a_client_that_leaves_without_its_answers(self):
        request = msgpack.packb([0, 8, "export", ["links", 0, 10000]])
        for _ in range(10):
            with self.daemon.connect() as connection:
                connection.send(request * 30)
        self.assert_alive()

    def test_too_many_connections(self):
        connections, refused = [], None
        for _ in range(45):
            connection = self.daemon.connect()
            self.addCleanup(connection.close)
            connections.append(connection)
        for connection in connections:
            try:
                connection.send([0, 1, "ping", []])
            except BrokenPipeError:
                pass
            answer = connection.receive()
            if answer[2]:
                refused = answer
                self.assert_closed(connection)
        self.assertEqual((refused[1], refused[2]["code"]), (0, "overloaded"))
        for connection in connections:
            connection.close()

        def has_room():
            try:
                self.assert_alive()
                return True
            except (RpcError, EOFError, BrokenPipeError, TypeError):
                return False
        # The daemon sees the ends of the others when it comes to them.
        wait_for(has_room, "room for a connection")

    def test_random_bytes(self):
        random.seed(5)
        valid = [msgpack.packb([0, 1, "top", [3]]), msgpack.packb([0, 2, "page", {"title": "x"}]),
                 msgpack.packb([2, "x", []])]
        for i in range(300):
            data = bytearray(random.choice(valid) * 3 if i % 3 else random.randbytes(60))
            for _ in range(random.randrange(1, 4)):
                data[random.randrange(len(data))] = random.getrandbits(8)
            with self.daemon.connect() as connection:
                connection.send(bytes(data))
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.receive() is not None:
                    pass
        self.assert_alive()


class DeadlineTest(DaemonTest):
    OPTIONS = ["--workers", WORKERS, "--request-timeout", "40"]

    @classmethod
    def index(cls):
        return synthetic_index(3000, 2)

    def test_deadline(self):
        def some_titles():
            try:
                return [row[1] for row in self.rpc.call("export", "scores", 0, 100)["rows"]]
            except RpcError as error: # on a busy machine, that is late, too
                self.assertEqual(error.code, "deadline")
                return None
        titles = wait_for(some_titles, "an answer in time")
        began = time.monotonic()
        for _ in range(5):
            self.assert_error("deadline", "related", titles, 1000, 0.999, 1e-12)
        self.assertLess(time.monotonic() - began, PATIENCE_S / 4)
        self.assertEqual(self.rpc.call("ping"), "pong")


if __name__ == "__main__":
    unittest.main()
