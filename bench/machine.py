# SPDX-License-Identifier: MIT
"""What a run was made on, and what else the machine did meanwhile."""
import glob
import os
import platform
import resource
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path, default="not visible"):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return default


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout.splitlines() or ["?"])[0].strip()
    except FileNotFoundError:
        return "not installed"


def chosen(path):
    """The value in brackets of a setting like `always [madvise] never`."""
    text = read(path)
    return text[text.index("[") + 1:text.index("]")] if "[" in text else text


def caches():
    found = {}
    for folder in sorted(glob.glob("/sys/devices/system/cpu/cpu0/cache/index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(read(folder + "/type"), "")
        found[f"L{read(folder + '/level')}{kind}"] = read(folder + "/size")
    return found


def describe():
    cpu = {}
    for line in read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        cpu.setdefault(key.strip(), value.strip())
    memory = dict(line.split(":", 1) for line in read("/proc/meminfo").splitlines())
    memory_mib = int(memory["MemTotal"].split()[0]) >> 10
    shm = os.statvfs("/dev/shm")
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory_mib": memory_mib,
        "dev_shm_mib": shm.f_blocks * shm.f_frsize >> 20,
        "virtual": "hypervisor" in cpu.get("flags", "").split(),
        "kernel": platform.release(),
        "system": next((line[13:].strip('"') for line in read("/etc/os-release").splitlines()
                        if line.startswith("PRETTY_NAME=")), "?"),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "transparent_hugepage": chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "shmem_enabled": chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        "compiler": first_line("gcc", "--version"),
        "python": platform.python_version(),
    }


def commit():
    """Its short name, with a + where the work tree differs from it."""
    name = first_line("git", "-C", ROOT, "rev-parse", "--short", "HEAD")
    changed = first_line("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no")
    return name + ("+" if changed not in ("?", "not installed") else "")


def line():
    """Commit and machine in a few words, for benchmarks that print tables."""
    about = describe()
    return (f"commit {commit()}, {about['cores']} x {about['cpu']}, Linux {about['kernel']}, "
            f"load {os.getloadavg()[0]:.2f}")


def ticks():
    """Processor seconds since boot: busy, stolen and in all."""
    numbers = [int(x) for x in read("/proc/stat").splitlines()[0].split()[1:9]]
    user, nice, system, idle, wait, irq, soft, steal = numbers
    unit = os.sysconf("SC_CLK_TCK")
    return ((user + nice + system + irq + soft) / unit, steal / unit,
            (sum(numbers) - idle - wait) / unit + (idle + wait) / unit)


def own_seconds():
    mine, theirs = (resource.getrusage(who) for who in
                    (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


class Watch(threading.Thread):
    """Load, stolen time and what others used, from start to summary()."""

    def __init__(self):
        super().__init__(daemon=True)
        self.loads, self.began, self.ended = [], time.time(), threading.Event()
        self.ticks, self.own = ticks(), own_seconds()
        self.start()

    def run(self):
        while not self.ended.wait(2):
            self.loads.append(os.getloadavg()[0])

    def summary(self):
        self.ended.set()
        busy, stolen, total = (b - a for a, b in zip(self.ticks, ticks()))
        loads = sorted(self.loads) or [os.getloadavg()[0]]
        # Who is not waited for (a daemon's workers) counts as another: an upper bound.
        others = max(0.0, busy - (own_seconds() - self.own))
        return {"seconds": round(time.time() - self.began, 1),
                "load_low": loads[0], "load_median": loads[len(loads) // 2],
                "load_high": loads[-1],
                "stolen_share": round(stolen / total, 5) if total else 0,
                "others_share": round(others / total, 4) if total else 0}


def children(pid):
    """Of all its threads."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        found += [int(child) for child in read(path, "").split()]
    return found


def tree(pid):
    return [pid] + [below for child in children(pid) for below in tree(child)]


def rollup(pid):
    """Fields of smaps_rollup in KiB, {} if the process is gone."""
    fields = {}
    for line in read(f"/proc/{pid}/smaps_rollup", "").splitlines()[1:]:
        key, _, value = line.partition(":")
        fields[key] = int(value.split()[0])
    return fields


class MemoryWatch(threading.Thread):
    """The highest sum of Pss of a process and all its descendants."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.high_kib, self.ended = pid, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.05):
            self.high_kib = max(self.high_kib, sum(rollup(pid).get("Pss", 0)
                                                   for pid in tree(self.pid)))

    def stop(self):
        self.ended.set()
        self.join()
        return self.high_kib or None


def processor_ns(pids):
    """What all threads of these processes have used so far."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as stat:
                total += int(stat.read().split()[0])
    return total
