# SPDX-License-Identifier: MIT
"""What processes cost beside threads, and what they buy: memory, start-up, adding a worker,
messages, a crash. Every step returns rows for the result file; rows with `samples` are compared
by bench/check."""
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import machine
import workloads

WARM, COLD = "warm", "cold"
CRASH_CLIENTS = 4
RESTART_SECONDS = 10


def program(build, name):
    """spawn, messages or load: the Makefile has linked them with the project's own objects."""
    return os.path.join(build, "bench", name)


def printed(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{os.path.basename(words[0])}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def sample(identity, label, unit, samples, **more):
    return {"id": identity, "label": label, "unit": unit, "samples": samples, **more}


# --- Adding a worker, and its memory ------------------------------------------------------------

def spawn(build, sizes, repetitions):
    """On segments of plain shared memory: one row per size, pages and kind of worker."""
    rows, free_mib = [], machine.describe()["dev_shm_mib"]
    for mib in sizes:
        if mib * 2 > free_mib:  # half of /dev/shm is for others
            continue
        for pages in ("off", "on"):
            [found] = printed(program(build, "spawn"), str(repetitions), pages, str(mib))
            if pages == "on" and found["refused"]:
                continue
            for kind in ("fork", "thread"):
                name = f"spawn/{kind}/{mib}MiB/huge-{pages}"
                rows.append(sample(
                    name, {"fork": "a process", "thread": "a thread"}[kind], "us",
                    found[f"{kind}_start_us"], mib=mib, huge=pages == "on", kind=kind,
                    faults=found[f"{kind}_faults"], touch_us=found[f"{kind}_touch_us"],
                    read_ns=found[f"{kind}_read_ns"], tlb_misses=found[f"{kind}_tlb_misses"],
                    page_tables_kib=found.get(f"{kind}_page_tables_kib"),
                    pss_kib=found.get(f"{kind}_pss_kib"),
                    private_dirty_kib=found.get(f"{kind}_private_dirty_kib")))
    return rows


# --- The daemon's memory ------------------------------------------------------------------------

def memory(index, counts):
    """Of a daemon with 1 to 4 workers after they answered queries and a PageRank job: the workers'
    own, as `status` tells, and all processes' together."""
    import harness  # pylint: disable=import-outside-toplevel
    rows = []
    for pages in ("off", "on"):
        for mode in ("processes", "threads"):
            for workers in counts:
                with harness.Daemon(index, "--quiet", "--huge-pages", pages, "--workers",
                                    f"{mode}:{workers}") as daemon, daemon.connect() as rpc:
                    rpc.pagerank(iterations=2, tolerance=0, publish=False)
                    for _ in range(200):
                        rpc.call("random")
                    status = rpc.call("status")
                    pids = machine.tree(daemon.process.pid)
                    found = [machine.rollup(pid) for pid in pids]
                    tables = [machine.read(f"/proc/{pid}/status", "") for pid in pids]
                own = [w for w in status["workers"] if w["pss_kib"] is not None]
                rows.append({
                    "mode": mode, "workers": workers, "huge": pages == "on",
                    "segment_mib": round(status["index"]["bytes_hot"] / 2**20, 1),
                    "pss_kib": sum(f.get("Pss", 0) for f in found),
                    "private_dirty_kib": sum(f.get("Private_Dirty", 0) for f in found),
                    "page_tables_kib": sum(int(line.split()[1]) for text in tables
                                           for line in text.splitlines()
                                           if line.startswith("VmPTE:")),
                    "worker_pss_kib": mean(w["pss_kib"] for w in own),
                    "worker_private_kib": mean(w["private_kib"] for w in own),
                    "worker_page_tables_kib": mean(w["page_tables_kib"] for w in own)})
    return rows


KERNEL_FIELDS = ("PageTables", "KernelStack", "SUnreclaim", "Percpu")
KERNEL_WORKERS = 1, 33


def kernel_memory(index, repetitions):
    """Of one more worker, in KiB: what /proc/meminfo shows with 33 workers more than with 1. The
    whole machine's, so other programs' comings and goings are in it."""
    import harness  # pylint: disable=import-outside-toplevel
    rows = []
    for mode in ("processes", "threads"):
        found = {field: [] for field in KERNEL_FIELDS}
        for _ in range(repetitions):
            seen = []
            for workers in KERNEL_WORKERS:
                with harness.Daemon(index, "--quiet", "--workers", f"{mode}:{workers}") as daemon, \
                        daemon.connect() as rpc:
                    for _ in range(100):
                        rpc.call("random")
                    seen.append(dict(line.split(":", 1) for line
                                     in machine.read("/proc/meminfo").splitlines()))
            for field, samples in found.items():
                before, after = (int(one.get(field, "0").split()[0]) for one in seen)
                samples.append((after - before) / (KERNEL_WORKERS[1] - KERNEL_WORKERS[0]))
        rows.append({"mode": mode, "kernel": found})
    return rows


def mean(numbers):
    numbers = list(numbers)
    return round(statistics.mean(numbers)) if numbers else None


# --- Start-up -----------------------------------------------------------------------------------

class NotStarted(OSError):
    """The daemon ended instead of serving."""


class Service:
    """A daemon on a socket of its own that can be started again there."""

    def __init__(self, index, *options):
        self.folder = tempfile.mkdtemp(prefix="forklore-bench.")
        self.path = os.path.join(self.folder, "socket")
        self.command = [os.path.join(workloads.BUILD, "forklored"), "--quiet", "--socket",
                        self.path, "--index", index, *options]
        self.process = None

    def start(self):
        """Until the first answer; seconds."""
        import harness  # pylint: disable=import-outside-toplevel
        before = time.perf_counter()
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        while True:
            try:
                with harness.Connection(self.path) as connection:
                    connection.call("random", 1)
                return time.perf_counter() - before
            except (OSError, EOFError):
                if self.process.poll() is not None:
                    raise NotStarted(f"{self.command[0]} does not start") from None
                time.sleep(0.0005)

    def start_again(self):
        """As a service manager does: a killed daemon's socket may be alive a little longer than
        its process, since the kernel takes io_uring down at leisure."""
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return self.start()
            except NotStarted:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def remove(self):
        if os.path.exists(self.path):
            os.remove(self.path)
        os.rmdir(self.folder)


def forget(path):
    """Out of the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


POOLS = """
import multiprocessing, sys, time
from concurrent.futures import ThreadPoolExecutor
def nothing(_): return 0
if __name__ == "__main__":
    kind, workers = sys.argv[1], int(sys.argv[2])
    before = time.perf_counter()
    if kind == "threads":
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(nothing, range(workers)))
            took = time.perf_counter() - before
    else:
        with multiprocessing.get_context(kind).Pool(workers) as pool:
            pool.map(nothing, range(workers))
            took = time.perf_counter() - before
    print(took)
"""


def start(index, repetitions):
    """From exec to the first answer, all variants in turn, every turn in another order: what a
    start costs depends on the memory that the one before it left (docs/comparison.md). Python's
    pools beside them."""
    cases = {(mode, state): [] for mode in ("processes", "threads") for state in (WARM, COLD)}
    pools = {kind: [] for kind in ("fork", "spawn", "forkserver", "threads")}
    workers = os.cpu_count() or 1
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(POOLS)
        script.flush()
        for turn in range(repetitions + 1):
            for mode, state in random.sample(list(cases), len(cases)):
                service = Service(index, "--workers", f"{mode}:{workers}")
                if state == COLD:
                    forget(index)
                try:
                    took = service.start()
                finally:
                    service.stop()
                    service.remove()
                if turn:
                    cases[mode, state].append(took)
            for kind, samples in pools.items():
                done = subprocess.run([sys.executable, script.name, kind, str(workers)],
                                      capture_output=True, text=True, check=True)
                if turn:
                    samples.append(float(done.stdout))
    mib = os.path.getsize(index) / 2**20
    rows = [sample(f"start/forklore/{mode}/{state}",
                   f"forklored, {workers} {mode}, {state} index of {mib:.0f} MiB", "s", samples)
            for (mode, state), samples in cases.items()]
    return rows + [sample(f"start/python/{kind}", f"Python, pool of {workers}: {kind}", "s",
                          samples) for kind, samples in pools.items()]


# --- Messages -----------------------------------------------------------------------------------

def messages(build, rounds, repetitions):
    """One row per channel, placement and kind of parties; the program runs `repetitions` times."""
    rows = {}
    for _ in range(repetitions):
        for found in printed(program(build, "messages"), str(rounds), str(rounds * 10)):
            key = found["channel"], found["placement"], found["parties"]
            row = rows.setdefault(key, sample(
                "messages/" + "/".join(key).replace(" ", "-"), found["channel"], "us", [],
                channel=key[0], placement=key[1], parties=key[2], p99_us=[], messages_per_s=[],
                wakeups_per_round=[], wakeups_one_way=[]))
            row["samples"].append(found["round_trip_us"])
            for field in ("p99_us", "messages_per_s", "wakeups_per_round", "wakeups_one_way"):
                row[field].append(found[field])
    return list(rows.values())


# --- What the machine can do --------------------------------------------------------------------

def limits(build, index, repetitions):
    """Of one core: bandwidth of reading, and reads of 4 bytes at random from tables of a size."""
    found = []
    with subprocess.Popen([os.path.join(build, "bench", "pagerank"), index], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as measuring:
        measuring.stdout.readline()
        for _ in range(repetitions):
            measuring.stdin.write("limits\n")
            measuring.stdin.flush()
            found.append(json.loads(measuring.stdout.readline()))
        measuring.stdin.close()
    return [{key: [one[key] for one in found] for key in found[0]}]


# --- Queries ------------------------------------------------------------------------------------

METHODS = {
    "lookup": lambda title: [title],
    "prefix": lambda title: [title[:3], 10],
    "links": lambda title: [title, 100],
    "page": lambda title: [title],
    "search": lambda title: [title, 10],
}
MIX = ["lookup"] * 8 + ["prefix"] * 4 + ["links"] * 2 + ["page", "search"]
QUESTIONS = 160  # different ones of a kind: each is asked once before a run, to know its answer


def made_up_wiki(folder, pages):
    """The index of a generated wiki."""
    base = os.path.join(folder, f"wiki-{pages}")
    forklored = os.path.join(workloads.BUILD, "forklored")
    if not os.path.exists(base + ".xml"):
        workloads.command(forklored, "generate", "wiki", "--pages", str(pages), "-o",
                          base + ".xml.new")
        os.rename(base + ".xml.new", base + ".xml")
    workloads.command(forklored, "build", "-q", base + ".xml", "-o", base + ".flk")
    return base + ".flk"


def write_requests(path, kinds, titles):
    """Frames for load.c, with msgids of four bytes."""
    import msgpack  # pylint: disable=import-outside-toplevel
    with open(path, "wb") as out:
        for i, title in enumerate(titles):
            method = kinds[i % len(kinds)]
            frame = (b"\x94\x00\xce" + bytes(4) + msgpack.packb(method)
                     + msgpack.packb(METHODS[method](title)))
            out.write(frame)


class Other:
    """A server that is one process on one socket, with load.c's name for how it is spoken to."""

    def __init__(self, protocol, *command):
        self.protocol, self.folder = protocol, tempfile.mkdtemp(prefix="forklore-bench.")
        self.path = os.path.join(self.folder, "socket")
        self.command = [word.replace("SOCKET", self.path) for word in command]
        self.process = None

    def start(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, cwd=self.folder)
        deadline = time.monotonic() + RESTART_SECONDS
        while not os.path.exists(self.path):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise NotStarted(f"{self.command[0]} does not start")
            time.sleep(0.005)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def remove(self):
        shutil.rmtree(self.folder)


def servers(build, index):
    """Name -> server. Redis and a bare echo are there to tell what a request costs at least."""
    workers = os.cpu_count() or 1
    found = {mode: Service(index, "--workers", f"{mode}:{workers}")
             for mode in ("processes", "threads")}
    if shutil.which("redis-server"):
        found["redis"] = Other("resp", "redis-server", "--port", "0", "--unixsocket", "SOCKET",
                               "--save", "", "--appendonly", "no")
    found["echo"] = Other("echo", program(build, "echo"), "SOCKET")
    return found


def queries(build, index, plan, repetitions):
    """Closed loops over connections and pipelines, then an open one; servers in turn. Samples are
    microseconds per answer, in an open loop the 99th percentile of latency."""
    import harness  # pylint: disable=import-outside-toplevel
    rows, running = {}, servers(build, index)
    with tempfile.TemporaryDirectory(prefix="forklore-bench.") as folder:
        try:
            for server in running.values():
                server.start()
            with harness.Connection(running["processes"].path) as rpc:
                titles = [row[1] for row in rpc.call("export", "scores", 0, 2000)["rows"]]
                methods = [m for m in METHODS if m in plan["methods"] and answers(rpc, m, titles)]
            random.Random(1).shuffle(titles)
            for kind in [*methods, "mix"]:
                write_requests(os.path.join(folder, kind), MIX if kind == "mix" else [kind],
                               titles[:QUESTIONS])
            with open(os.path.join(folder, "titles"), "w", encoding="utf-8") as out:
                out.writelines(f"{title}\n" for title in titles[:QUESTIONS])
            cases = [("lookup", c, p, 0) for c, p in plan["loops"]]
            cases += [(kind, c, p, 0) for kind in [*methods, "mix"] if kind != "lookup"
                      for c, p in plan["few_loops"]]
            cases += [("mix", 16, 1, rate) for rate in plan["rates"]]
            for _ in range(repetitions):
                for case in cases:
                    for name, server in running.items():
                        others = isinstance(server, Other)
                        if others and case[0] != "lookup":
                            continue
                        what = [server.protocol, server.path, "titles"] if others else \
                            ["frames", server.path, case[0]]
                        what[2] = os.path.join(folder, what[2])
                        found = one_load(program(build, "load"), what, case, plan["seconds"])
                        add_load(rows, name, case, found)
        finally:
            for server in running.values():
                if server.process:
                    server.stop()
                server.remove()
    return list(rows.values())


def loop_counters(path):
    import harness  # pylint: disable=import-outside-toplevel
    with harness.Connection(path) as rpc:
        status = rpc.call("status")
        return {"wakeups": status["loop"]["wakeups"], "sleeps": status["loop"]["sleeps"],
                "enters": status["loop"]["enters"], "answered": status["queue"]["answered"]}


def one_load(load, what, case, seconds):
    """What load.c found; of a daemon also its own counters, per answer."""
    _, connections, pipeline, rate = case
    ours = what[0] == "frames"
    before = loop_counters(what[1]) if ours else None
    found = printed(load, *what, "-c", str(connections), "-p", str(pipeline), "-w", "0.1", "-s",
                    str(seconds), "-r", str(rate))
    if ours:
        after = loop_counters(what[1])
        answered = after["answered"] - before["answered"]
        found.update({key: (after[key] - before[key]) / answered
                      for key in ("wakeups", "sleeps", "enters")})
    return found


def answers(rpc, method, titles):
    """Whether this daemon and this index have an answer to it."""
    import harness  # pylint: disable=import-outside-toplevel
    try:
        rpc.call(method, *METHODS[method](titles[0]))
        return True
    except harness.RpcError as error:
        return error.code not in ("unknown_method", "not_available", "bad_params")


def add_load(rows, mode, case, found):
    kind, connections, pipeline, rate = case
    name = f"queries/{kind}/{mode}/{connections}x{pipeline}" + (f"/{rate}-per-s" if rate else "")
    fields = [field for field in ("per_second", "p50_us", "p99_us", "p999_us", "max_us", "wakeups",
                                  "sleeps", "enters") if field in found]
    row = rows.setdefault(name, sample(name, kind, "us", [], mode=mode, kind=kind,
                                       connections=connections, pipeline=pipeline, rate=rate,
                                       **{field: [] for field in fields}))
    row["samples"].append(found["p99_us"] if rate else 1e6 / max(found["per_second"], 1))
    for field in fields:
        row[field].append(found[field])


# --- What it buys -------------------------------------------------------------------------------

class Asker(threading.Thread):
    """A client that asks one thing after another and connects again where it has to."""

    def __init__(self, path, ended):
        super().__init__(daemon=True)
        self.path, self.ended = path, ended
        self.answers, self.errors, self.longest, self.outage = 0, 0, 0.0, 0.0
        self.start()

    def run(self):
        import harness  # pylint: disable=import-outside-toplevel
        connection, last = None, time.perf_counter()
        while not self.ended.is_set():
            before = time.perf_counter()
            try:
                connection = connection or harness.Connection(self.path)
                connection.call("random")
                self.answers += 1
                after = time.perf_counter()
                self.longest = max(self.longest, after - before)
                self.outage = max(self.outage, after - last)
                last = after
            except (OSError, EOFError, harness.RpcError):
                self.errors += 1
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.001)
        if connection:
            connection.close()


def victim(pid):
    """A worker process of a daemon, or the daemon itself where workers are threads."""
    below = machine.children(pid)
    return random.choice(below) if below else pid


def crash_once(index, mode, load_seconds, kill=True):
    service, ended = Service(index, "--workers", f"{mode}:2"), threading.Event()
    service.start()
    try:
        clients = [Asker(service.path, ended) for _ in range(CRASH_CLIENTS)]
        time.sleep(load_seconds / 3)
        if kill:
            os.kill(victim(service.process.pid), signal.SIGKILL)
            time.sleep(0.002)
            # What a service manager does, without its delay.
            if mode == "threads":
                service.process.wait()
                service.start_again()
        time.sleep(load_seconds * 2 / 3)
        ended.set()
        for client in clients:
            client.join()
    finally:
        ended.set()
        service.stop()
        service.remove()
    return {"errors": sum(c.errors > 0 for c in clients),
            "answers": sum(c.answers for c in clients),
            "longest_ms": 1e3 * max(c.longest for c in clients),
            "outage_ms": 1e3 * max(c.outage for c in clients)}


def crash(index, repetitions, load_seconds):
    """kill -9 of whatever runs a worker, under load: clients that saw an error, longest time
    without an answer; the same without a kill, for what the load itself does."""
    cases = {(mode, kill): [] for kill in (True, False) for mode in ("processes", "threads")}
    for _ in range(repetitions):
        for (mode, kill), found in cases.items():
            found.append(crash_once(index, mode, load_seconds, kill))
    return [{"mode": mode, "killed": kill, "clients": CRASH_CLIENTS,
             **{field: [one[field] for one in found] for field in found[0]}}
            for (mode, kill), found in cases.items()]


def sandbox(build, index, repetitions):
    """The same daemon with and without its workers' sandbox: start, a job (whose workers are
    started for it) and lookups."""
    import harness  # pylint: disable=import-outside-toplevel
    told = subprocess.run([os.path.join(workloads.BUILD, "forklored"), "--help"],
                          capture_output=True, text=True, check=False)
    if "--no-sandbox" not in told.stdout + told.stderr:
        raise workloads.Missing("this daemon has no --no-sandbox")
    workers = f"processes:{os.cpu_count() or 1}"
    found = {(state, what): [] for what in ("start", "job", "lookup") for state in ("on", "off")}
    with tempfile.NamedTemporaryFile() as requests:
        for turn in range(repetitions + 1):
            for state in ("on", "off"):
                service = Service(index, "--workers", workers,
                                  *(["--no-sandbox"] if state == "off" else []))
                try:
                    seconds = {"start": service.start()}
                    with harness.Connection(service.path) as rpc:
                        titles = [row[1] for row in rpc.call("export", "scores", 0, 200)["rows"]]
                        before = time.perf_counter()
                        rpc.pagerank(iterations=10, tolerance=0, publish=False)
                        seconds["job"] = time.perf_counter() - before
                    write_requests(requests.name, ["lookup"], titles)
                    loaded = one_load(program(build, "load"),
                                      ["frames", service.path, requests.name],
                                      ("lookup", 16, 16, 0), 0.3)
                    seconds["lookup"] = 1 / loaded["per_second"]
                finally:
                    service.stop()
                    service.remove()
                if turn:
                    for what, took in seconds.items():
                        found[state, what].append(took)
    return [sample(f"sandbox/{what}/{state}", what, "s", samples, state=state)
            for (state, what), samples in found.items()]


# --- All of it ----------------------------------------------------------------------------------

def steps(args, build):
    """Name -> function, in the order to run them."""
    sys.path.insert(0, os.path.join(workloads.ROOT, "tests"))
    sizes = [int(size) for size in args.segments.split(",")]
    quick, repetitions = args.quick, args.repetitions
    os.makedirs(os.path.join(build, "bench"), exist_ok=True)

    def index():
        scale = max(int(scale) for scale in args.scales.split(","))
        return workloads.prepare(f"kronecker-{scale}",
                                 os.path.join(args.output, "graphs"))["index"]

    plan = {"methods": ("lookup", "search") if quick else tuple(METHODS),
            "loops": [(1, 1), (16, 16)] if quick else
                     [(c, p) for c in (1, 8, 64) for p in (1, 16)],
            "few_loops": [(1, 1), (16, 16)],
            "rates": [5000] if quick else [2000, 5000, 10000],
            "seconds": 0.2 if quick else 0.4}

    def wiki():
        return made_up_wiki(os.path.join(build, "bench"), 2000 if quick else 20000)

    return {
        "spawn": lambda: spawn(build, sizes, 4 if quick else 10),
        "messages": lambda: messages(build, 2000 if quick else 5000, repetitions),
        "queries": lambda: queries(build, wiki(), plan, 2 if quick else repetitions),
        "limits": lambda: limits(build, index(), 1 if quick else 3),
        "kernel": lambda: kernel_memory(index(), 1 if quick else 5),
        "start": lambda: start(index(), 2 if quick else repetitions),
        "memory": lambda: memory(index(), (1, 2) if quick else (1, 2, 4)),
        "sandbox": lambda: sandbox(build, wiki(), 1 if quick else repetitions),
        "crash": lambda: crash(index(), 2 if quick else repetitions, 0.6 if quick else 1.5),
    }
