# SPDX-License-Identifier: MIT
"""What systemd says to a service and hears from it, with this test in systemd's place; and the
units, as far as systemd itself can check them."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import BUILD, FORKLORED, PATIENCE_S, ROOT, Connection, assert_clean, scratch, small_index


class Service:
    """A daemon with a socket passed in, and somebody to notify."""

    def __init__(self, *options, watchdog_us=None, sockets=1, listen=True):
        self.folder = tempfile.mkdtemp(prefix="s.", dir=scratch())
        self.path = os.path.join(self.folder, "passed")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o660)
        if listen:
            self.listener.listen()
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(os.path.join(self.folder, "notify"))
        self.ear.settimeout(PATIENCE_S)
        env = {**os.environ, "NOTIFY_SOCKET": self.ear.getsockname(), "LISTEN_FDS": str(sockets)}
        if watchdog_us:
            env["WATCHDOG_USEC"] = str(watchdog_us)
        # The passed socket is descriptor 3, and the process is the one that it is meant for.
        script = f'exec 3<&{self.listener.fileno()}; LISTEN_PID=$$ exec "$0" "$@"'
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["sh", "-c", script, FORKLORED, "--index", small_index(), *options], env=env,
            pass_fds=[self.listener.fileno()], stdin=subprocess.DEVNULL, stderr=self.log)

    def hear(self):
        return self.ear.recv(1000).decode()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.log.seek(0)
        said = self.log.read()
        self.log.close()
        assert_clean(said)
        self.ear.close()
        self.listener.close()
        return code, said


class Systemd(unittest.TestCase):
    def test_socket_and_readiness(self):
        service = Service()
        # The socket takes connections before the daemon does.
        early = Connection(service.path)
        self.assertEqual(service.hear(), "READY=1")
        self.assertEqual(early.call("lookup", "Alpha")["title"], "Alpha")
        status = early.call("status")
        self.assertEqual(status["socket"], service.path)
        self.assertFalse(os.path.exists(service.path + ".lock"))
        early.close()
        service.process.send_signal(signal.SIGTERM)
        self.assertEqual(service.hear(), "STOPPING=1")
        code, said = service.end()
        self.assertEqual(code, 0, said)
        # It is systemd's, for the next one.
        self.assertTrue(os.path.exists(service.path))

    def test_watchdog(self):
        service = Service(watchdog_us=100000)
        heard = [service.hear() for _ in range(6)]
        self.assertIn("READY=1", heard)
        self.assertGreaterEqual(heard.count("WATCHDOG=1"), 5)
        self.assertEqual(service.end()[0], 0)

    def test_what_is_passed_in_has_to_be_right(self):
        for options, message in (({"sockets": 2}, "2 sockets were passed in"),
                                 ({"listen": False}, "is no listening unix stream socket")):
            service = Service(**options)
            service.process.wait(PATIENCE_S)
            code, said = service.end()
            self.assertEqual(code, 1)
            self.assertIn(message, said)

    def test_somebody_elses_environment(self):
        """LISTEN_PID of another process: the socket is not for us, and ours is made as ever."""
        service = Service()
        self.assertEqual(service.hear(), "READY=1")
        service.end()
        own = os.path.join(service.folder, "own")
        env = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1", "NOTIFY_SOCKET": "/nowhere"}
        process = subprocess.Popen([FORKLORED, "--index", small_index(), "--socket", own], env=env,
                                   stderr=subprocess.PIPE)
        line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        self.assertIn(b"socket=" + own.encode(), line)
        self.assertEqual(process.returncode, 0)


class Units(unittest.TestCase):
    def test_installed_units(self):
        root = tempfile.mkdtemp(prefix="u.", dir=scratch())
        subprocess.run(["make", "-s", "install", f"DESTDIR={root}", "prefix=/usr",
                        f"BUILD={os.path.relpath(BUILD, ROOT)}"], cwd=ROOT, check=True)
        units = os.path.join(root, "usr/lib/systemd/system")
        with open(os.path.join(units, "forklored.service"), encoding="ascii") as unit:
            text = unit.read()
        self.assertIn("ExecStart=/usr/bin/forklored --index", text)
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        # It looks for the program, which lies elsewhere here.
        checked = os.path.join(root, "checked")
        shutil.copytree(units, checked)
        with open(os.path.join(checked, "forklored.service"), "w", encoding="ascii") as unit:
            unit.write(text.replace("/usr/bin/forklored", FORKLORED))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no",
             *(os.path.join(checked, name) for name in sorted(os.listdir(checked)))],
            capture_output=True, timeout=PATIENCE_S)
        complaints = [line for line in done.stderr.decode().splitlines() if "forklored" in line]
        self.assertEqual(complaints, [])


if __name__ == "__main__":
    unittest.main()
