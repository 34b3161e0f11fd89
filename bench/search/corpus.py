# SPDX-License-Identifier: MIT
"""The corpora of bench/search/run.py. Every contender gets the same words: text is folded to
[a-z0-9] and split by spaces before anybody sees it, so that hit counts have to agree.

A corpus is a folder: pages.txt (a page a line), pages.xml (the same as a dump, for forklored),
queries.tsv (`OR|AND|PHRASE TAB words`) and, if the words come from a dump, a link to it, dump."""
import itertools
import json
import os
import random
import re
import sys
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
import search_oracle  # noqa: E402
from harness import Daemon, build_index  # noqa: E402

KINDS = {"OR": "union", "AND": "intersection", "PHRASE": "phrase"}  # and the real data's tags
FILES = ("pages.txt", "pages.xml", "queries.tsv")


def fold(text):
    return re.findall("[a-z0-9]+", "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower())


def write(folder, pages, queries):
    """`pages`: lists of words; `queries`: (kind, words)."""
    os.makedirs(folder, exist_ok=True)
    path = {name: os.path.join(folder, name) for name in FILES}
    with open(path["pages.txt"], "w", encoding="ascii") as text, \
            open(path["pages.xml"], "w", encoding="ascii") as dump:
        dump.write('<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" '
                   'xml:lang="en">\n<siteinfo><sitename>Bench</sitename><dbname>bench</dbname>'
                   '<case>first-letter</case><namespaces><namespace key="0" case="first-letter" />'
                   '</namespaces></siteinfo>\n')
        for number, words in enumerate(pages, 1):
            line = " ".join(words)
            text.write(line + "\n")
            dump.write(f"<page><title>P{number}</title><ns>0</ns><id>{number}</id><revision>"
                       f"<id>{number}</id><text>{line}</text></revision></page>\n")
        dump.write("</mediawiki>\n")
    with open(path["queries.tsv"], "w", encoding="ascii") as tsv:
        tsv.writelines(f"{kind}\t{' '.join(words)}\n" for kind, words in queries)


# --- wiki: real articles, real queries --------------------------------------------------------


def wiki(folder, data):
    """The articles of ../shared/data as readable text, and its queries of the three kinds."""
    dump = os.path.join(data, "wikispeedia-pages-articles-multistream.xml.bz2")
    log = os.path.join(data, "queries.jsonl")
    if not os.path.exists(dump) or not os.path.exists(log):
        return f"no {dump} and {log}"
    index = os.path.join(folder, "readable.flk")
    os.makedirs(folder, exist_ok=True)
    build_index(dump, index)
    with Daemon(index, "--quiet") as daemon, daemon.connect() as connection:
        pages = [fold(text) for _, _, text in sorted(search_oracle.pages(connection))]
    os.unlink(index)
    kinds = {tag: kind for kind, tag in KINDS.items()}
    with open(log, encoding="utf-8") as lines:
        asked = [json.loads(line) for line in lines]
    write(folder, pages, [(kinds[query["tags"][0]], fold(query["query"])) for query in asked
                          if query["tags"][0] in kinds and fold(query["query"])])
    link = os.path.join(folder, "dump")
    if not os.path.lexists(link):
        os.symlink(os.path.abspath(dump), link)
    return None


# --- names: made-up names with a summary of one line each ---------------------------------------


SHAPES = ["{n} {n} is a {k} {r} from {p}", "{n} {n} {y} {y} was a {k} {r} and {r}",
          "{n} {r} in {p} {p}", "{n} a {r} of the {r} {w}", "the {n} {n} {k} {r} of {p}",
          "{n} {w} {w} by {n} {n}", "{n} {y} {k} {w} {r} and the {w} of {p}",
          "{n} {n} {k} {r} best known for the {w} {w} in the {w} of {y}",
          "{p} {r} {w} is a {w} in the {r} of {p} and {w}"]
ONSETS = ("b", "d", "f", "gr", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v")
SYLLABLES = [a + b + c for a in ONSETS for b in "aeiou" for c in ("", "n", "r", "l", "s", "m")]


def made_up_words(rng, count):
    found = {}
    while len(found) < count:
        found["".join(rng.choices(SYLLABLES, k=rng.randint(1, 3)))] = None
    return list(found)


class Urn:
    """Draws by Zipf's law, many at a time."""

    def __init__(self, rng, things, exponent):
        self.rng, self.things = rng, things
        self.sums = list(itertools.accumulate((rank + 3) ** -exponent
                                              for rank in range(len(things))))
        self.drawn = iter(())

    def draw(self):
        for thing in self.drawn:
            return thing
        self.drawn = iter(self.rng.choices(self.things, cum_weights=self.sums, k=10000))
        return next(self.drawn)


def names(folder, count, queries_of_each=300, seed=1):
    rng = random.Random(seed)
    vocabulary = made_up_words(rng, 200000)
    urns = {"n": Urn(rng, vocabulary, 0.8),                         # names of people and things
            "p": Urn(rng, vocabulary[:20000:2], 1.0),               # places
            "k": Urn(rng, vocabulary[1000:1200], 1.0),              # nationalities
            "r": Urn(rng, [f"{a} {b}" for a, b in zip(vocabulary[3000:9000],
                                                      vocabulary[2000:8000])], 1.1),  # roles
            "w": Urn(rng, vocabulary[:60000], 1.05),                # whatever else
            "y": Urn(rng, [str(year) for year in range(2020, 1400, -1)], 0.5)}
    shapes = [shape.split() for shape in SHAPES]
    pages = [" ".join(urns[part[1]].draw() if part[0] == "{" else part
                      for part in rng.choice(shapes)).split() for _ in range(count)]
    queries = []
    for kind in KINDS:
        for _ in range(queries_of_each):
            page = rng.choice(pages)
            if kind == "PHRASE":
                length = rng.randint(2, 3)
                at = rng.randrange(len(page) - length + 1)
                queries.append((kind, page[at:at + length]))
            else:
                queries.append((kind, rng.sample(page, min(len(page), rng.randint(2, 4)))))
    write(folder, pages, queries)
