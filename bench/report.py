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
                  [(row["label"], row["contender"], *quartiles(row["samples"]),
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


def spawn(result, folder):
    rows = result["costs"].get("spawn")
    if not rows:
        return []
    heads = ["segment", "pages", "worker", "to its first instruction", "touching every page",
             "faults", "page tables", "private dirty", "Pss"]
    lines = ["## One more worker", "", "On a segment of shared memory that its parent has mapped "
             "and touched. A thread shares all memory of its process.", "",
             "![start](spawn-start.svg)", "![page tables](spawn-page-tables.svg)", ""]
    lines += table(heads, [
        [f"{row['mib']} MiB", "huge" if row["huge"] else "4 KiB", row["label"],
         spread(row["samples"], microseconds), spread(row["touch_us"], microseconds),
         row["faults"], kib(row["page_tables_kib"]), kib(row["private_dirty_kib"]),
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

    def median(field, form=microseconds):
        return [form(statistics.median(row[field])) for row in rows]

    def low_high(row):
        """Answers a second, from samples of microseconds per answer."""
        return [1e6 / value for value in reversed(quartiles(row["samples"]))]

    lines = ["## Queries", "", "Over the socket, from one client thread on the same machine. "
             "Closed loop: every connection keeps its pipeline full. Open loop: requests are due "
             "at a fixed rate, and latency runs from then.", "", "![queries](queries.svg)", ""]
    lines += table(
        ["query", "workers", "connections x pipeline", "asked per s", "answers/s", "p50", "p99",
         "p99.9", "longest"],
        [[row["kind"], row["mode"], f"{row['connections']} x {row['pipeline']}",
          row["rate"] or "closed", *cells_of_row]
         for row, *cells_of_row in zip(rows, median("per_second", plot.short), median("p50_us"),
                                       median("p99_us"), median("p999_us"), median("max_us"))])
    plot.dots(os.path.join(folder, "queries.svg"), "Queries answered",
              "one client thread on the same machine; closed loop, connections x pipeline",
              "answers per second, median with quartiles; more is better",
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


def write(result, folder):
    lines = ["# Comparison", "", f"{footer(result)}. Made by `make bench"
             f"{' QUICK=1' if result['quick'] else ''}`, {result['repetitions']} repetitions, "
             "contenders in turn; edit nothing here.", ""]
    if result["quick"]:
        lines += ["A quick run shows that everything works. Its few repetitions on small graphs "
                  "prove nothing.", ""]
    lines += describe(result) + ranks(result, folder) + cells(result, folder)
    lines += memory(result) + spawn(result, folder) + start(result, folder)
    lines += messages(result, folder) + queries(result, folder) + crash(result)
    if result["missing"]:
        lines += ["## Missing", ""] + table(["what", "where"], [
            [missing["what"], ", ".join(missing["where"])] for missing in result["missing"]])
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines))
