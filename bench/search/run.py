#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Search beside Lucene, Xapian and SQLite FTS5: the same words, the same queries, one thread, warm,
in process, the first ten by BM25, positions indexed. Turns are interleaved; a time counts only
where the hits agree. Whoever cannot be had here is skipped with the reason.

    bench/search/run.py [--corpora wiki,names] [--contenders forklore,lucene,xapian,fts5]
                        [--steps build,search]

Goals are met or not by the fastest of the others for each kind of query, and by Lucene's index.

`wiki` is ../shared/data (or $FORKLORE_DATA); `names` is a million made-up names with a summary of
one line each. Everything is kept under build/bench/search."""
import argparse
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "tests"), os.path.join(HERE, "..")]
import contenders  # noqa: E402
import corpus  # noqa: E402
import machine  # noqa: E402
from harness import DATA  # noqa: E402

FIGURES = ("median_us", "mean_us", "p99_us")
GOALS = {"wiki": {"OR": 3, "AND": 2.2, "PHRASE": 2}, "names": {"OR": 2, "AND": 1.5, "PHRASE": 1.5}}
BUILD_GOAL = 2  # times the build without search, with all processors


def steal_and_all():
    with open("/proc/stat", encoding="ascii") as lines:
        ticks = [int(n) for n in lines.readline().split()[1:]]
    return ticks[7], sum(ticks[:8])


def figures(answer):
    us = sorted(ns / 1e3 for ns in answer["best_ns"])
    return {**answer, "median_us": statistics.median(us), "mean_us": statistics.mean(us),
            "p99_us": us[min(len(us) - 1, int(0.99 * len(us)))]}


def ratio(contender, answer, first):
    """Of mean times, over the queries that both were asked."""
    return statistics.mean(answer["best_ns"]) / statistics.mean(first["best_ns"][::contender.every])


def disagreements(taking_part, seen):
    """For people: queries on which not all contenders found as many pages."""
    found = {}
    for contender in taking_part:
        for place, hits in enumerate(seen[contender.name][0]["hits"]):
            found.setdefault(place * contender.every, {})[contender.name] = hits
    return [f"query {place}: " + ", ".join(f"{name} {hits}" for name, hits in counts.items())
            for place, counts in found.items() if len(set(counts.values())) > 1]


def judge(what, figure, goal, holds):
    print(f"goal: {what}: {figure:.2f}, wanted {goal}: {'met' if holds else 'NOT met'}", flush=True)


def build(folder, taking_part, args):
    print("\n| | build, s | of processor | index, MB |\n|---|---|---|---|")
    seen = {}
    for contender in taking_part:
        for what, wall, used, size in contender.build(folder, args.processor):
            seen[what] = wall, used, size
            print(f"| {what} | {wall:.1f} | {used:.1f} | {size / 1e6:.1f} |", flush=True)
    print()
    ours, lucene = contenders.Forklore.name, contenders.Lucene.name
    for where in (contenders.DUMPED, contenders.WIDE):
        if ours + where in seen:
            ratio_of = seen[ours + where][0] / seen[contenders.PLAIN + where][0]
            judge(f"build with search to without{where}", ratio_of, f"at most {BUILD_GOAL}",
                  ratio_of <= BUILD_GOAL)
    if ours in seen and lucene in seen:
        to_lucene = [mine / other for mine, other in zip(seen[ours], seen[lucene])]
        judge("processor time of the build to Lucene's", to_lucene[1], "below 1", to_lucene[1] < 1)
        judge("bytes of the index to Lucene's", to_lucene[2], "at most 1", to_lucene[2] <= 1)


def search(folder, taking_part, args, goals):
    for contender in taking_part:
        contender.start(folder, args.processor)
        for kind in corpus.KINDS:
            contender.turn(kind, contender.warm_up(folder))
    first, verdicts = taking_part[0].name, []
    print(f"\n| kind | | median µs | mean µs | p99 µs | mean, ratio to {first} | spread |\n"
          "|---|---|---|---|---|---|---|")
    for kind in corpus.KINDS:
        seen = {contender.name: [] for contender in taking_part}
        for turn in range(args.turns):
            for contender in taking_part:
                if turn == 0 or not contender.is_slow:
                    seen[contender.name].append(figures(contender.turn(kind, args.rounds)))
        for contender in taking_part:
            answers = seen[contender.name]
            middle = {key: statistics.median(a[key] for a in answers) for key in FIGURES}
            ratios = [ratio(contender, a, b) for a, b in zip(answers, seen[first])]
            some = f", 1 query in {contender.every}" if contender.every > 1 else ""
            print(f"| {kind} | {contender.name}{some} | " +
                  " | ".join(f"{middle[key]:.1f}" for key in FIGURES) +
                  f" | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |",
                  flush=True)
        wrong = disagreements(taking_part, seen)
        verdict = f"differ on {len(wrong)}: the times mean nothing" if wrong else "agree"
        print(f"| {kind} | {len(seen[first][0]['hits'])} queries, hits {verdict} | | | | | |",
              flush=True)
        for line in wrong[:3]:
            print(f"  {line}")
        others = [statistics.median(ratio(c, a, b) for a, b in zip(seen[c.name], seen[first]))
                  for c in taking_part[1:]]
        if first == contenders.Forklore.name and others:
            verdicts.append((f"{kind}, the fastest other's mean time to ours", min(others),
                             f"at least {goals[kind]}", min(others) >= goals[kind]))
    print()
    for verdict in verdicts:
        judge(*verdict)
    for contender in taking_part:
        contender.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", default="wiki,names")
    parser.add_argument("--contenders", default=",".join(contenders.ALL))
    parser.add_argument("--steps", default="build,search", help="search: with indexes there are")
    parser.add_argument("--names", type=int, default=1000000, help="pages of that corpus")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3, help="of a turn; each query's best counts")
    parser.add_argument("--processor", type=int, default=0)
    args = parser.parse_args()

    os.makedirs(contenders.WORK, exist_ok=True)
    taking_part = []
    for name in args.contenders.split(","):
        contender = contenders.ALL[name]()
        try:
            contender.prepare()
            taking_part.append(contender)
        except contenders.Missing as why:
            print(f"{contender.name}: missing ({why})")
    if not taking_part:
        return
    for name in args.corpora.split(","):
        folder = os.path.join(contenders.WORK, name if name == "wiki" else f"{name}-{args.names}")
        if not all(os.path.exists(os.path.join(folder, file)) for file in corpus.FILES):
            why = corpus.wiki(folder, DATA) if name == "wiki" else corpus.names(folder, args.names)
            if why:
                print(f"{name}: skipped ({why})")
                continue
        print(f"\n## {name}\n\n{machine.line()}")
        stolen, ticks = steal_and_all()
        if "build" in args.steps.split(","):
            build(folder, taking_part, args)
        if "search" in args.steps.split(","):
            search(folder, taking_part, args, GOALS[name])
        stolen_now, ticks_now = steal_and_all()
        print(f"\nsteal {100 * (stolen_now - stolen) / (ticks_now - ticks):.1f} %, load "
              f"{os.getloadavg()[0]:.2f} at the end")


if __name__ == "__main__":
    main()
