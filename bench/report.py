# SPDX-License-Identifier: MIT
"""The result file as Markdown and plots, in the same folder."""
import os
import statistics

import plot


def quartiles(samples):
    """Lower quartile, median, upper quartile."""
    if len(samples) < 2:
        return (samples[0],) * 3 if samples else (None,) * 3
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, middle, high


def spread(samples, form):
    low, middle, high = quartiles(samples)
    return "–" if middle is None else f"{form(middle)} ({form(low)} to {form(high)})"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return lines + ["| " + " | ".join("–" if cell is None else str(cell) for cell in row) + " |"
                    for row in rows] + [""]


def goal(holds):
    """The last cell of a goal's row."""
    return "holds" if holds else "MISSED"


def microseconds(value):
    return plot.in_seconds(value * 1e-6)


def kib(value):
    if value is None:
        return "–"
    return f"{value / 1024:.1f} MiB" if value >= 10240 else f"{value} KiB"


def footer(result):
    machine = result["machine"]
    return (f"{machine['cores']} x {machine['cpu']}, Linux {machine['kernel']}, "
            f"{result['date']}, commit {result['commit']}"
            f"{', quick run' if result['quick'] else ''}")


def describe(result):
    m = result["machine"]
    lines = ["## Machine", ""]
    lines += table(["", ""], [
        ["processors", f"{m['cores']} x {m['cpu']}{', virtual' if m['virtual'] else ''}"],
        ["caches", ", ".join(f"{level} {size}" for level, size in m["caches"].items())],
        ["memory", f"{m['memory_mib']} MiB, /dev/shm {m['dev_shm_mib']} MiB"],
        ["system", f"{m['system']}, Linux {m['kernel']}, {m['compiler']}, Python {m['python']}"],
        ["governor", m["governor"]],
        ["huge pages", f"transparent {m['transparent_hugepage']}, shmem {m['shmem_enabled']}"]])
    lines += table(
        ["part of the run", "seconds", "load: lowest, median, highest", "stolen",
         "others' share at most"],
        [[i + 1, d["seconds"], f"{d['load_low']:.2f}, {d['load_median']:.2f}, "
          f"{d['load_high']:.2f}", f"{d['stolen_share']:.2%}", f"{d['others_share']:.0%}"]
         for i, d in enumerate(result["during"])])
    return lines


def verdict(row):
    if "failed" in row:
        return f"failed: {row['failed'][:80]}"
    error = "?" if row.get("l1_error") is None else f"{row['l1_error']:.1e}"
    if row.get("ok"):
        return error
    return f"**wrong**, {error}" + (f": {row['known_wrong']}" if row["known_wrong"] else "")


def with_task(row):
    """The label, and that it runs to the limit where it does not say so."""
    return row["label"] + (", to the limit" if row.get("solves") == "limit"
                           and "limit" not in row["label"] else "")


def ranks(result, folder):
    lines = ["## PageRank", "", "Seconds from the graph in memory to its scores, start of the "
             "workers included: median (lower to upper quartile). The error is the L1 distance to "
             "double-precision scores; a time in brackets does not count, because the result is "
             "wrong. “limit” runs until the error is believed below 1e-6, all others make exactly "
             "the iterations named. Memory is the highest sum of Pss of a contender's processes, "
             "with what it needs to read the graph.", ""]
    order = sorted({row["contender"] for row in result["ranks"]},
                   key=lambda name: (name != "forklore", name))
    for name, workload in result["workloads"].items():
        rows = [row for row in result["ranks"] if row["workload"] == name]
        rows.sort(key=lambda row: (not row.get("ok"), quartiles(row["samples"])[1] or 1e9))
        if not rows:
            continue
        best = next((quartiles(row["samples"])[1] for row in rows if row["samples"]
                     and row.get("ok")), None)
        lines += [f"### {name}", "", f"{workload['n']:,} vertices, {workload['m']:,} links, "
                  f"{workload['dangling']:,} dangling; {workload['iterations']} iterations, "
                  f"d = {workload['damping']}.", "", f"![{name}](rank-{name}.svg)", ""]
        lines += table(
            ["contender", "how", "workers", "solves", "time", "to the best", "error", "memory",
             "runs"],
            [[row["contender"], row["label"], row["workers"],
              {"limit": "limit", "iterations": f"{workload['iterations']} it."}
              .get(row.get("solves"), "–"),
              (spread(row["samples"], plot.in_seconds) if row.get("ok") else
               f"[{spread(row['samples'], plot.in_seconds)}]"),
              f"{quartiles(row['samples'])[1] / best:.2f}" if row.get("ok") and best else None,
              verdict(row), kib(row.get("pss_kib")), len(row["samples"])] for row in rows])
        plot.dots(os.path.join(folder, f"rank-{name}.svg"), f"PageRank of {name}",
                  f"{workload['n']:,} vertices, {workload['m']:,} links; hollow: a wrong result",
                  "time to the scores, median with quartiles; shorter is better",
                  [(with_task(row), row["contender"], *quartiles(row["samples"]),
                    not row.get("ok")) for row in rows if row["samples"]], footer(result), order)
    return lines


def cells(result, folder):
    """Processes over threads, run by run."""
    by_id = {row["id"]: row for row in result["ranks"] if row["contender"] == "forklore"}
    found, bars = [], []
    for identity, row in by_id.items():
        if not row["variant"].startswith("processes-"):
            continue
        other = by_id.get(identity.replace("/processes-", "/threads-"))
        if not other or not row["samples"] or not other["samples"]:
            continue
        ratios = [a / b for a, b in zip(row["samples"], other["samples"])]
        found.append([row["workload"], row["variant"][10:],
                      spread(row["samples"], plot.in_seconds),
                      spread(other["samples"], plot.in_seconds),
                      spread(ratios, lambda v: f"{v:.3f}"),
                      "yes" if row["checksum"] == other["checksum"] else "**no**"])
        bars.append((f"{row['workload']}, {row['variant'][10:]}", row["workload"].split("-")[0],
                     *quartiles(ratios), False))
    if not found:
        return []
    plot.dots(os.path.join(folder, "cells.svg"), "Forklore: processes over threads",
              "the same kernel, the same exchange; 1 is level", "time of processes / time of "
              "threads, median with quartiles", bars, footer(result), (), lambda v: f"{v:.3g}",
              level=1)
    differ = [f"**The cells differ**: {words}" for words in result["cells_differ"]]
    return (["## The four cells", "", "![processes over threads](cells.svg)", ""] + differ +
            table(["workload", "cell", "processes", "threads", "ratio, run by run", "same bits"],
                  found))


def of_forklore(result):
    order = list(result["workloads"])
    return sorted((row for row in result["ranks"] if row["contender"] == "forklore"
                   and row.get("exchange")),
                  key=lambda row: (order.index(row["workload"]), row["variant"]))


def exchange(result):
    """What went through rings or shared memory, and how long workers waited for each other."""
    lines = []
    for row in of_forklore(result):
        if row["workers"] < 2:
            continue
        told = row["exchange"]
        middle = {key: statistics.median(one[key] for one in told) for key in told[0]}
        run, rounds = middle["run_seconds"], max(middle["iteration"], 1)
        seconds = statistics.median(row["samples"])
        lines.append([
            row["workload"], row["label"], f"{rounds:g}", plot.in_seconds(run / rounds),
            f"{middle['wait_seconds'] / run / row['workers']:.1%}",
            plot.short(middle["exchanged_bytes"] / rounds / row["workers"]),
            f"{middle['wakeups'] / rounds:.2f}", plot.in_seconds(seconds - run),
            f"{(seconds - run) / seconds:.0%}"])
    if not lines:
        return []
    return ["## Exchange between workers", "", "As the jobs tell. Waiting is the share of the "
            "iterations' time that a worker waits for others, exchange included, on the average "
            "of the workers; wake-ups are system calls. The rest is everything but iterations: "
            "start and end of workers, reading scores out, the notification.", ""] + table(
        ["workload", "cell", "iterations", "an iteration", "waiting", "bytes sent by a worker and "
         "iteration", "wake-ups an iteration", "the rest", "of the time"], lines)


def limits(result):
    """Time per link beside what the machine can do."""
    if not result["costs"].get("limits"):
        return []
    found = {key: statistics.median(values)
             for key, values in result["costs"]["limits"][0].items()}
    lines = []
    for row in of_forklore(result):
        workload = result["workloads"][row["workload"]]
        cores = min(row["workers"], result["machine"]["cores"])
        told = row["exchange"]
        each = statistics.median(one["run_seconds"] / max(one["iteration"], 1) for one in told)
        if workload["m"] > 1e6 and ("single" in row["variant"] or row["variant"] == "alone"):
            lines.append([row["workload"], row["label"],
                          f"{each * 1e9 * cores / workload['m']:.2f} ns"])
    return ["## What the machine can do", "", f"One core reads {found['read_gb_s']:.1f} GB/s one "
            f"after the other; a read of 4 bytes at random takes {found['gather_32k_ns']:.2f} ns "
            f"from a table of 32 KiB, {found['gather_128k_ns']:.2f} ns from 128 KiB and "
            f"{found['gather_all_ns']:.2f} ns from {found['all_bytes'] / 2**20:.1f} MiB, which "
            "all scores of the largest graph take. A link is one such read and 2 to 3 bytes read "
            "in order. Beside it, per link, iteration and core:", ""] + table(
        ["workload", "cell", "a link"], lines)


def article(result):
    """CodSpeed's benchmark: each form against one thread of the same interpreter."""
    rows = {}
    for row in result["ranks"]:
        if row["contender"] == "article" and row["samples"]:
            python, _, form = row["variant"].partition("-")
            if form.startswith("gil"):
                setting, _, form = form.partition("-")
                python += "-" + setting
            rows.setdefault((row["workload"], python), {})[form] = row
    ours = {row["workload"]: row for row in result["ranks"] if row["samples"] and row["id"] ==
            f"{row['workload']}/forklore/processes-ring-{result['machine']['cores']}"}
    lines = []
    for (name, python), forms in rows.items():
        if "single" not in forms:
            continue
        base = statistics.median(forms["single"]["samples"])
        right = [statistics.median(row["samples"]) for row in forms.values() if row.get("ok")]
        line = [name, python, plot.in_seconds(base)]
        for form in ("threads", "processes", "threads-proper", "processes-proper"):
            row = forms.get(form)
            if not row:
                line.append(None)
                continue
            ratio = statistics.median(row["samples"]) / base
            line.append(f"{ratio:.2f}" + ("" if row.get("ok") else
                                          f" (wrong: {row['l1_error']:.0e})"))
        if name in ours and right:
            mine = statistics.median(ours[name]["samples"])
            line += [plot.in_seconds(mine), f"{min(right) / mine:.0f}"]
        else:
            line += [None, None]
        lines.append(line)
    if not lines:
        return []
    return ["## The article", "", "Times over one thread of the same interpreter, below 1 is "
            "faster. As published: 8 threads behind a lock; a pool of 8 processes for each "
            "iteration, the matrix pickled for every task, the initial scores given to all. Put "
            "right: the same chunks without the lock; one pool that inherits the matrix and is "
            "sent the current scores. The last columns are forklore's processes with the ring, "
            "start of the workers included, and how many times as long the article's best right "
            "form takes.", ""] + table(
        ["graph", "Python", "one thread", "8 threads", "8 processes", "threads, put right",
         "processes, put right", "forklore", "article's best / forklore"], lines)


def summary(result, folder):
    """The best variant of every contender over forklore's processes with the ring."""
    cores, lines, dots = result["machine"]["cores"], [], []
    for name in result["workloads"]:
        rows = [row for row in result["ranks"] if row["workload"] == name and row["samples"]
                and row.get("ok")]
        for solves, words in (("iterations", "fixed iterations"), ("limit", "to an error of 1e-6")):
            kind = [f"processes-ring-{cores}-single-limit"] if solves == "limit" else \
                [f"processes-ring-{cores}"]
            home = next((row for row in rows if row["contender"] == "forklore"
                         and row["variant"] in kind), None)
            best = {}
            for row in rows:
                if row["solves"] == solves and row["contender"] != "forklore":
                    middle = statistics.median(row["samples"])
                    if row["contender"] not in best or middle < best[row["contender"]][0]:
                        best[row["contender"]] = middle, row
            for contender, (middle, row) in sorted(best.items()):
                if not home:
                    continue
                base = quartiles(home["samples"])
                ratio = middle / base[1]
                lines.append([name, words, plot.in_seconds(base[1]), row["label"],
                              plot.in_seconds(middle), f"{ratio:.2f}"])
                low, _, high = quartiles(row["samples"])
                dots.append((f"{name}, {row['label'].split(',')[0]}"
                             + (", to the limit" if solves == "limit" else ""), contender,
                             low / base[1], ratio, high / base[1], False))
    if not lines:
        return []
    plot.dots(os.path.join(folder, "summary.svg"), "Other systems over forklore's processes",
              f"{cores} worker processes with the ring, their start included; right of 1, "
              "forklore is faster", "time / forklore's time (logarithmic), median with quartiles",
              dots, footer(result), form=plot.short, mark=1)
    return ["## All contenders at a glance", "", "Each contender's best right variant, and its "
            "time over that of forklore's processes with the ring.", "",
            "![all contenders](summary.svg)", ""] + table(
        ["workload", "solves", "forklore", "contender", "its time", "its time / forklore's"],
        lines)


def spawn(result, folder):
    rows = result["costs"].get("spawn")
    if not rows:
        return []
    heads = ["segment", "pages", "worker", "to its first instruction", "touching every page",
             "a read at random", "its TLB misses", "faults", "page tables", "private dirty", "Pss"]
    lines = ["## One more worker", "", "On a segment of shared memory that its parent has mapped "
             "and touched. A thread shares all memory of its process.", "",
             "![start](spawn-start.svg)", "![page tables](spawn-page-tables.svg)", ""]
    lines += table(heads, [
        [f"{row['mib']} MiB", "huge" if row["huge"] else "4 KiB", row["label"],
         spread(row["samples"], microseconds), spread(row["touch_us"], microseconds),
         f"{statistics.median(row['read_ns']):.1f} ns",
         "not counted" if row["tlb_misses"][0] < 0 else
         f"{statistics.median(row['tlb_misses']):.2f}", row["faults"], kib(row["page_tables_kib"]), kib(row["private_dirty_kib"]),
         kib(row["pss_kib"])] for row in rows])
    for name, what, value, kinds in (
            ("start", "to its first instruction", lambda r: quartiles(r["samples"])[1] * 1e-6,
             ("fork", "thread")),
            ("touch", "touching every page of the segment",
             lambda r: quartiles(r["touch_us"])[1] * 1e-6, ("fork", "thread")),
            ("page-tables", "page tables of one more process",
             lambda r: r["page_tables_kib"] * 1024, ("fork",))):
        series = {}
        for row in rows:
            if row["kind"] in kinds:
                series.setdefault(f"{row['label']}, {'huge' if row['huge'] else '4 KiB'} pages",
                                  []).append((row["mib"], value(row)))
        plot.lines(os.path.join(folder, f"spawn-{name}.svg"), f"One more worker: {what}",
                   "a process beside a thread, by the size of the shared segment; less is better",
                   ("segment, MiB", "bytes" if name == "page-tables" else "time"), series,
                   footer(result),
                   (plot.short, plot.short if name == "page-tables" else plot.in_seconds))
    return lines


def memory(result):
    rows = result["costs"].get("memory")
    if not rows:
        return []
    return ["## Memory of the daemon", "", "After queries and a PageRank job. “All” is the sum "
            "over the coordinator and its workers.", ""] + table(
        ["workers", "pages", "segment", "all: Pss", "all: private dirty", "all: page tables",
         "a worker: Pss", "a worker: private", "a worker: page tables"],
        [[f"{row['workers']} {row['mode']}", "huge" if row["huge"] else "4 KiB",
          f"{row['segment_mib']} MiB", kib(row["pss_kib"]), kib(row["private_dirty_kib"]),
          kib(row["page_tables_kib"]), kib(row["worker_pss_kib"]),
          kib(row["worker_private_kib"]), kib(row["worker_page_tables_kib"])] for row in rows])


def kernel(result):
    rows = result["costs"].get("kernel")
    if not rows:
        return []
    fields = list(rows[0]["kernel"])
    return ["## Kernel memory of one more worker", "", "As /proc/meminfo shows it for 33 workers "
            "beside 1, in KiB; median (lowest to highest). Other programs' memory is in it.", ""] \
        + table(["", *fields], [
            [row["mode"], *(f"{statistics.median(row['kernel'][field]):.0f} "
                            f"({min(row['kernel'][field]):.0f} to "
                            f"{max(row['kernel'][field]):.0f})" for field in fields)]
            for row in rows])


def start(result, folder):
    rows = result["costs"].get("start")
    if not rows:
        return []
    plot.dots(os.path.join(folder, "start.svg"), "Start", "forklored: from exec to the first "
              "answer; Python: from an interpreter that runs to a pool that has answered",
              "time, median with quartiles; shorter is better",
              [(row["label"], row["id"].split("/")[1], *quartiles(row["samples"]), False)
               for row in rows], footer(result))
    return ["## Start", "", "![start](start.svg)", ""] + table(
        ["", "time", "runs"], [[row["label"], spread(row["samples"], plot.in_seconds),
                                len(row["samples"])] for row in rows])


def messages(result, folder):
    rows = result["costs"].get("messages")
    if not rows:
        return []

    def middle(samples, form=lambda v: f"{v:.3g}"):
        return "every" if samples[0] is None else form(statistics.median(samples))

    lines = ["## Messages", "", "64 bytes. Round trips one at a time; one way as fast as they go. "
             "Wake-ups are system calls to wake the other side, per message of the sender.", "",
             "![round trips](messages.svg)", ""]
    lines += table(
        ["channel", "placement", "parties", "round trip", "p99", "messages/s one way",
         "wake-ups, round trip", "one way"],
        [[row["channel"], row["placement"], row["parties"], spread(row["samples"], microseconds),
          microseconds(statistics.median(row["p99_us"])),
          middle(row["messages_per_s"], plot.short), middle(row["wakeups_per_round"]),
          middle(row["wakeups_one_way"])] for row in rows])
    plot.dots(os.path.join(folder, "messages.svg"), "A message of 64 bytes there and back",
              "forklore's ring beside other channels", "round trip, median with quartiles; "
              "shorter is better",
              [(f"{row['channel']}, {row['parties']}, {row['placement']}", row["channel"],
                *(value * 1e-6 for value in quartiles(row["samples"])), False)
               for row in rows], footer(result))
    return lines


def queries(result, folder):
    rows = result["costs"].get("queries")
    if not rows:
        return []

    def middle(row, field, form=microseconds):
        return form(statistics.median(row[field])) if field in row else None

    def low_high(row):
        """Answers a second, from samples of microseconds per answer."""
        return [1e6 / value for value in reversed(quartiles(row["samples"]))]

    threads = {(row["kind"], row["connections"], row["pipeline"], row["rate"]): row["samples"]
               for row in rows if row["mode"] == "threads"}

    def over_threads(row):
        if row["mode"] != "processes":
            return None
        other = threads[row["kind"], row["connections"], row["pipeline"], row["rate"]]
        return spread([a / b for a, b in zip(row["samples"], other)], lambda v: f"{v:.2f}")

    lines = ["## Queries", "", "Over the socket, from one client thread on the same machine, "
             "which checks every answer. Closed loop: every connection keeps its pipeline full. "
             "Open loop: requests are due at a fixed rate, and latency runs from then. Redis "
             "(GET of 64 bytes) and a bare io_uring echo tell what a request costs at least. The "
             "ratio is processes over threads, run by run: time per answer, in an open loop the "
             "99th percentile. Wake-ups (of workers) and io_uring_enter are the daemon's own, "
             "per answer.", "", "![queries](queries.svg)", ""]
    lines += table(
        ["query", "workers", "connections x pipeline", "asked per s", "answers/s", "p50", "p99",
         "p99.9", "longest", "processes / threads", "wake-ups", "enters"],
        [[row["kind"], row["mode"], f"{row['connections']} x {row['pipeline']}",
          row["rate"] or "closed", middle(row, "per_second", plot.short), middle(row, "p50_us"),
          middle(row, "p99_us"), middle(row, "p999_us"), middle(row, "max_us"), over_threads(row),
          middle(row, "wakeups", lambda v: f"{v:.3f}"),
          middle(row, "enters", lambda v: f"{v:.3f}")] for row in rows])
    plot.dots(os.path.join(folder, "queries.svg"), "Queries answered",
              "one client thread on the same machine; closed loop, connections x pipeline",
              "answers per second (logarithmic), median with quartiles; more is better",
              [(f"{row['kind']}, {row['connections']} x {row['pipeline']}, {row['mode']}",
                row["mode"], *low_high(row), False) for row in rows if not row["rate"]],
              footer(result), ("processes", "threads"), plot.short)
    return lines


def crash(result):
    rows = result["costs"].get("crash")
    if not rows:
        return []
    return ["## What it buys: kill -9 under load", "", f"{rows[0]['clients']} clients ask one "
            "query after another. Processes: a worker is killed. Threads: the same signal takes "
            "the process, which is started again at once.", ""] + table(
        ["", "killed", "clients that saw an error", "longest answer", "longest time without an "
         "answer", "answers"],
        [[row["mode"], "yes" if row["killed"] else "no",
          f"{statistics.median(row['errors']):g} of {row['clients']}",
          spread(row["longest_ms"], lambda v: f"{v:.1f} ms"),
          spread(row["outage_ms"], lambda v: f"{v:.1f} ms"),
          f"{statistics.median(row['answers']):g}"] for row in rows])


def sandbox(result):
    rows = result["costs"].get("sandbox")
    if not rows:
        return []
    words = {"start": "from exec to the first answer", "job": "a job of 10 iterations, its "
             "workers' start included", "lookup": "a lookup, 16 connections x 16"}
    by_what = {}
    for row in rows:
        by_what.setdefault(row["label"], {})[row["state"]] = row["samples"]
    return ["## What the sandbox costs", "", "The same daemon with and without "
            "(`--no-sandbox`), in turn.", ""] + table(
        ["", "with", "without", "ratio, run by run"],
        [[words[what], spread(found["on"], plot.in_seconds), spread(found["off"], plot.in_seconds),
          spread([a / b for a, b in zip(found["on"], found["off"])], lambda v: f"{v:.3f}")]
         for what, found in by_what.items()])


def slope(points):
    """Least squares through (x, y): rise of y with x, and y at 0."""
    n = len(points)
    mean_x, mean_y = (sum(p[i] for p in points) / n for i in (0, 1))
    across = sum((x - mean_x) ** 2 for x, _ in points)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / across if across else 0
    return rise, mean_y - rise * mean_x


def extrapolation(result):
    """What the measured slopes say of 64 cores and 256 GB: arithmetic, no measurement."""
    rows = result["costs"].get("spawn") or []
    if len({row["mib"] for row in rows}) < 2:
        return []
    big, cores = 192 << 10, 64  # MiB of a segment on a machine with 256 GB
    lines = []
    for huge in (False, True):
        mine = [row for row in rows if row["huge"] == huge and row["kind"] == "fork"]
        if len(mine) < 2:
            continue
        tables, base = slope([(row["mib"], row["page_tables_kib"]) for row in mine])
        start, first = slope([(row["mib"], statistics.median(row["samples"])) for row in mine])
        touch, none = slope([(row["mib"], statistics.median(row["touch_us"])) for row in mine])
        each = base + tables * big
        lines += [[
            "huge" if huge else "4 KiB", f"{tables * 1024:.1f} KiB", kib(round(each)),
            kib(round(each * cores)), f"{each * cores / 1024 / big:.3%}",
            microseconds(max(first + start * big, first)), microseconds(none + touch * big)]]
    return ["## On a larger machine", "", f"Straight lines through the measured sizes, drawn on to "
            f"a segment of {big >> 10} GiB and {cores} workers. Threads have one of these page "
            "tables between them.", ""] + table(
        ["pages", "page tables per GiB and worker", "of one worker", f"of {cores}",
         "of the segment", "fork to the first instruction", "touching every page"], lines)


def missing(result):
    if not result["missing"]:
        return []
    return ["## Missing", ""] + table(["what", "where"], [
        [one["what"], ", ".join(one["where"])] for one in result["missing"]])


def sections(result, folder):
    """Name -> lines of Markdown; plots go to the folder."""
    return {"machine": describe(result), "summary": summary(result, folder),
            "article": article(result), "ranks": ranks(result, folder),
            "cells": cells(result, folder), "exchange": exchange(result),
            "limits": limits(result), "memory": memory(result), "kernel": kernel(result),
            "spawn": spawn(result, folder), "start": start(result, folder),
            "messages": messages(result, folder), "queries": queries(result, folder),
            "crash": crash(result), "sandbox": sandbox(result), "extrapolation": extrapolation(result), "missing": missing(result)}


def write(result, folder):
    lines = ["# Comparison", "", f"{footer(result)}. Made by `make bench"
             f"{' QUICK=1' if result['quick'] else ''}`, {result['repetitions']} repetitions, "
             "contenders in turn; edit nothing here.", ""]
    if result["quick"]:
        lines += ["A quick run shows that everything works. Its few repetitions on small graphs "
                  "prove nothing.", ""]
    for part in sections(result, folder).values():
        lines += part
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines))
