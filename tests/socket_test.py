# SPDX-License-Identifier: MIT
"""Sockets and who may have them."""
import ctypes
import os
import socket
import stat
import subprocess
import sys
import unittest

from harness import (PATIENCE_S, Connection, Daemon, FORKLORED, run, synthetic_index, wait_for,
                     without_root_powers)
from start_fixture import At, StartTest

NOBODY = 65534
# Says ping as this user, and prints what the answer is.
AS_NOBODY = f"""
import os, socket, sys
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
with socket.socket(socket.AF_UNIX) as daemon:
    daemon.connect(sys.argv[1])
    try:
        daemon.sendall(b"\\x94\\x00\\x01\\xa4ping\\x90")
    except (BrokenPipeError, ConnectionResetError):
        pass
    print(daemon.recv(1000))
"""


def listening_socket(pid, path):
    """A process's socket that listens at this path; None where the kernel does not give it."""
    libc, pidfd_getfd = ctypes.CDLL(None, use_errno=True), 438
    process = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                continue
            fd = libc.syscall(pidfd_getfd, process, int(number), 0)
            if fd < 0:
                return None
            found = socket.socket(fileno=fd)
            if found.getsockname() == path and \
                    found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return found
            found.close()
    finally:
        os.close(process)
    raise AssertionError(f"process {pid} does not listen at {path}")


class Sockets(StartTest):
    def test_path_too_long(self):
        for length in 108, 109, 300, 5000:
            with self.subTest(length=length):
                path = os.path.join(self.folder, "x" * 2000)[:length].ljust(length, "x")
                said = self.refuse(2, f"the socket's path has {length} bytes, at most 107 fit",
                                   arguments=["--socket", path, "--index", self.index])
                self.assertIn("Try `forklored --help`", said)
        self.refuse(2, "the socket's path is empty",
                    arguments=["--socket", "", "--index", self.index])

    def test_path_just_short_enough(self):
        path = os.path.join(self.folder, "x" * 200)[:107]
        with At(path, "--socket", path, "--index", self.index) as daemon:
            self.assert_serves(daemon)
        self.assertEqual(self.names(), [])

    def test_from_the_environment(self):
        for name, value, path in (("FORKLORE_SOCKET", self.path, self.path),
                                  ("XDG_RUNTIME_DIR", self.folder,
                                   os.path.join(self.folder, "forklore.sock"))):
            env = {"FORKLORE_SOCKET": "", "XDG_RUNTIME_DIR": "", name: value}
            with At(path, "--index", self.index, env=env) as daemon:
                self.assert_serves(daemon)
            self.assertEqual(self.names(), [])

    def test_relative(self):
        with At(self.path, "--socket", "socket", "--index", self.index, cwd=self.folder) as daemon:
            self.assert_serves(daemon)
        self.assertEqual(self.names(), [])

    def test_mode(self):
        for options, mode in ([], 0o600), (["--socket-mode", "0660"], 0o660):
            with At(self.path, "--socket", self.path, "--index", self.index, *options):
                self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), mode)

    def test_another_user(self):
        """Whom the mode does not let in is refused, even if somebody has opened the door."""
        if os.geteuid() != 0:
            self.skipTest("needs to become another user")
        os.chmod(self.folder, 0o755)
        os.chmod(os.path.dirname(self.folder), 0o755)
        for options, lets_in in ([], False), (["--socket-mode", "0666"], True):
            with At(self.path, "--socket", self.path, "--index", self.index, *options) as daemon:
                os.chmod(self.path, 0o666)
                done = subprocess.run([sys.executable, "-c", AS_NOBODY, self.path], capture_output=True,
                                      timeout=PATIENCE_S, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(b"forbidden" in done.stdout, not lets_in, done.stdout)
                self.assertEqual(b"pong" in done.stdout, lets_in, done.stdout)
                self.assert_serves(daemon)

    def test_in_use_by_a_living_daemon(self):
        with At(self.path, "--socket", self.path, "--index", self.index) as first:
            inode = os.stat(self.path).st_ino
            for _ in range(3):
                self.refuse(1, f"{self.path}: in use by a running daemon")
            # Before there is anything to build, too.
            self.refuse(1, f"{self.path}: in use by a running daemon",
                        arguments=["--socket", self.path, "--dump", "/nonexistent"])
            self.assertEqual(os.stat(self.path).st_ino, inode)
            self.assert_serves(first)
            self.assertTrue(first.leftovers(), "its segments are gone")
        self.assertEqual(self.names(), [])

    def test_left_by_a_dead_one(self):
        first = At(self.path, "--socket", self.path, "--index", self.index)
        first.kill()
        self.assertEqual(self.names(), ["socket", "socket.lock"])
        # At once: the kernel has not ended everything of the dead one yet.
        with At(self.path, "--socket", self.path, "--index", self.index) as second:
            self.assert_serves(second)
            wait_for(lambda: not first.leftovers(), "sweeping of what the dead one left")
        self.assertEqual(self.names(), [])
        for _ in range(5):
            At(self.path, "--socket", self.path, "--index", self.index).kill()
        with At(self.path, "--socket", self.path, "--index", self.index) as last:
            self.assert_serves(last)

    def test_left_by_one_that_the_kernel_has_not_ended_yet(self):
        """A dead daemon's socket takes connections for as long as the kernel holds on to it."""
        first = At(self.path, "--socket", self.path, "--index", self.index)
        self.addCleanup(first.kill)
        kept = listening_socket(first.process.pid, self.path)
        if not kept:
            self.skipTest("needs pidfd_getfd()")
        with kept:
            first.kill()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path)
            left = os.stat(self.path)
            second = At(self.path, "--socket", self.path, "--index", self.index, serves=False)
            self.addCleanup(second.kill)
            wait_for(lambda: self.is_replaced(left) or second.process.poll() is not None,
                     "replacing the socket")
            second.wait_until_it_serves()
        second.stop()
        self.assertEqual(self.names(), [])

    def is_replaced(self, left):
        try:
            return not os.path.samestat(os.stat(self.path), left)
        except FileNotFoundError:
            return False

    def test_a_lock_that_tells_of_another_socket(self):
        """What somebody else has put where a dead daemon's socket was, is not removed."""
        At(self.path, "--socket", self.path, "--index", self.index).kill()
        os.rename(self.path, os.path.join(self.folder, "moved"))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen(50)
            for content in None, b"", b"nonsense", b"1" * 1000:
                if content is not None:
                    with open(self.path + ".lock", "wb") as lock:
                        lock.write(content)
                with self.subTest(content=content and content[:10]):
                    done = run(FORKLORED, "--socket", self.path, "--index", self.index)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(b"in use by another program", done.stderr)
                    with Connection(self.path):
                        pass
        with At(self.path, "--socket", self.path, "--index", self.index) as daemon:
            self.assert_serves(daemon)

    def test_something_else_has_the_name(self):
        with open(self.path, "w", encoding="ascii") as precious:
            precious.write("precious")
        self.refuse(1, f"{self.path} exists and is not a socket")
        with open(self.path, encoding="ascii") as precious:
            self.assertEqual(precious.read(), "precious")
        os.rename(self.path, os.path.join(self.folder, "file"))
        for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("file", path),
                     lambda path: os.symlink("nowhere", path)):
            make(self.path)
            before = os.lstat(self.path)
            self.refuse(1, f"{self.path} exists and is not a socket")
            self.assertEqual(os.lstat(self.path).st_ino, before.st_ino)
            os.rmdir(self.path) if stat.S_ISDIR(before.st_mode) else os.remove(self.path)

    def test_another_program_listens(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen(5)
            self.refuse(1, f"{self.path}: in use by another program")
            with Connection(self.path):
                pass

    def test_another_program_is_slow(self):
        """Its queue is full: a connect that waits would wait for ever."""
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen(0)
            waiting = []
            try:
                while True:
                    waiting.append(socket.socket(socket.AF_UNIX))
                    waiting[-1].setblocking(False)
                    waiting[-1].connect(self.path)
            except BlockingIOError:
                pass
            self.refuse(1, f"{self.path}: in use by another program")
            for client in waiting:
                client.close()

    def test_another_program_takes_datagrams(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            other.bind(self.path)
            self.refuse(1, f"{self.path}: in use by another program")
            sender.sendto(b"log this", self.path)
            self.assertEqual(other.recv(100), b"log this")

    def test_another_program_is_dead(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
        with At(self.path, "--socket", self.path, "--index", self.index) as daemon:
            self.assert_serves(daemon)

    def test_folder_that_will_not_have_it(self):
        missing = os.path.join(self.folder, "missing", "socket")
        self.refuse(1, missing, "No such file or directory",
                    arguments=["--socket", missing, "--index", self.index])
        self.refuse(1, self.index + "/socket", "Not a directory",
                    arguments=["--socket", self.index + "/socket", "--index", self.index])
        os.chmod(self.folder, 0o555)
        self.refuse(1, self.path, "Permission denied", preexec_fn=without_root_powers)
        os.chmod(self.folder, 0o755)

    def test_two_at_once(self):
        with Daemon(self.index) as first, Daemon(synthetic_index(40, 3)) as second:
            self.assert_serves(first)
            with second.connect() as rpc:
                self.assertEqual(rpc.call("status")["index"]["pages"], 40)
                self.assertNotEqual(first.prefixes, second.prefixes)
                first.stop()
                self.assertEqual(rpc.call("ping"), "pong")
            self.assertTrue(second.leftovers())


if __name__ == "__main__":
    unittest.main()
