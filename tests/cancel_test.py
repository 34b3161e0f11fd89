#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Requests that nobody waits for any more: cancelled by number, or by hanging up."""
import os
import signal
import socket
import unittest

from harness import PATIENT, Daemon, RpcError, synthetic_index, wait_for


class Unwanted(unittest.TestCase):
    """The only worker is held with SIGSTOP: what it has begun stays begun, all else waits."""

    def setUp(self):
        self.daemon = Daemon(synthetic_index(), "--workers", "processes:1", *PATIENT)
        self.rpc = self.daemon.connect()
        self.title = self.rpc.call("top", 1)[0]["title"]
        self.worker = self.rpc.call("status")["workers"][0]["pid"]
        os.kill(self.worker, signal.SIGSTOP)
        self.addCleanup(self.daemon.stop)
        self.addCleanup(self.rpc.close)
        self.addCleanup(os.kill, self.worker, signal.SIGCONT)

    def ask(self, connection, count):
        ids = [next(connection.ids) for _ in range(count)]
        for msgid in ids:
            connection.send([0, msgid, "related", [self.title]])
        return ids

    def queue(self):
        """How many wait, and how many the worker has."""
        queue = self.rpc.call("status")["queue"]
        return queue["waiting"], queue["in_flight"]

    def test_cancelled_by_number(self):
        ids = self.ask(self.rpc, 5)
        wait_for(lambda: self.queue() == (4, 1), "the requests' arrival")
        for msgid in ids[:4]:
            self.rpc.send([2, "cancel_request", [msgid]])
        for msgid in ids[:4]:
            with self.assertRaises(RpcError) as caught:
                self.rpc.answer(msgid)
            self.assertEqual(caught.exception.code, "cancelled")
        self.assertEqual(self.queue(), (1, 1))  # the worker still has the first one
        for strange in ([], [ids[0]], [-1], ["x"], [2 ** 64 - 1], {"msgid": ids[0]}):
            self.rpc.send([2, "cancel_request", strange])
        os.kill(self.worker, signal.SIGCONT)
        self.assertTrue(self.rpc.answer(ids[4]))
        self.assertTrue(self.rpc.call("related", self.title))

    def test_by_another_connection_it_means_nothing(self):
        ids = self.ask(self.rpc, 2)
        with self.daemon.connect() as other:
            for msgid in ids:
                other.send([2, "cancel_request", {"msgid": msgid}])
            self.assertEqual(other.call("ping"), "pong")
        os.kill(self.worker, signal.SIGCONT)
        for msgid in ids:
            self.assertTrue(self.rpc.answer(msgid))

    def test_hanging_up(self):
        before = self.ask(self.rpc, 1)
        other = self.daemon.connect()
        self.ask(other, 20)
        wait_for(lambda: self.queue() == (20, 1), "the requests' arrival")
        other.close()
        wait_for(lambda: self.queue() == (0, 1), "forgetting what nobody waits for")
        os.kill(self.worker, signal.SIGCONT)
        self.assertTrue(self.rpc.answer(before[0]))

    def test_sending_no_more_is_not_hanging_up(self):
        with self.daemon.connect() as other:
            ids = self.ask(other, 3)
            other.socket.shutdown(socket.SHUT_WR)
            os.kill(self.worker, signal.SIGCONT)
            for msgid in ids:
                self.assertTrue(other.answer(msgid))


if __name__ == "__main__":
    unittest.main()
