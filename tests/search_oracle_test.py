# SPDX-License-Identifier: MIT
"""search against tests/search_oracle.py, which scores every page: same pages, same order, same
scores, with pruning and without. All queries of ../shared/data on wikispeedia (skipped where the
data is absent), and random ones of every form on a made-up wiki.

FORKLORE_SEARCH_PAGES and FORKLORE_SEARCH_QUERIES make the made-up wiki and the queries more, as
`make check-search-million` does."""
import collections
import functools
import json
import math
import os
import random
import re
import time
import unittest

from harness import (DATA, FORKLORED, PATIENCE_S, UNDER, WORKERS, Daemon, RpcError, build_index,
                     run, scratch)
from search_oracle import Oracle, judge, pages, parse, words

WIKISPEEDIA = os.path.join(DATA, "wikispeedia-pages-articles-multistream.xml.bz2")
QUERIES = os.path.join(DATA, "queries.jsonl")
# A sanitizer's builds get a sample: what they look for is in each query, not in all together.
PAGES = int(os.environ.get("FORKLORE_SEARCH_PAGES") or (1000 if UNDER else 20000))
RANDOM_QUERIES = int(os.environ.get("FORKLORE_SEARCH_QUERIES") or (2 if UNDER else 4))  # a form
FIRST = 100
OFFSET_MAX = 100000  # docs/protocol.md
COMPLAINTS_SHOWN = 20


class OracleItself(unittest.TestCase):
    """Numbers worked out by hand: who judges the judge."""

    def setUp(self):
        self.oracle = Oracle([(7, "One fish", "a b a"), (3, "Two", "b c"),
                              (9, "Red fish", "c c c d"), (4, "Void", "")])

    def ids(self, query):
        return [page_id for _, page_id in self.oracle.search(query)]

    def test_words(self):
        for text, expected in [
                ("Don't stop_me: 1,000!", ["don", "t", "stop", "me", "1", "000"]),
                ("Straße ﬁn ÀÉ", ["strasse", "fin", "àé"]),
                ("e\u0301 ½", ["é", "1", "2"]),
                ("ὈΔΥΣΣΕΎΣ", ["ὀδυσσεύσ"]),
                ("x日本語y 東 한국", ["x", "日本", "本語", "y", "東", "한국"]),
                ("ﾊﾟﾝ", ["パン"]),
                ("नमस्ते", ["नमस्ते"]),
                (" -_\u200b\0", [])]:
            self.assertEqual(words(text), expected, text)

    def test_parse(self):
        self.assertEqual([tuple(clause) for clause in parse('a +"b c" -intitle:"D" e* "f')], [
            ("", False, False, ["a"], False), ("+", False, True, ["b", "c"], False),
            ("-", True, True, ["d"], False), ("", False, False, ["e"], True),
            ("", False, True, ["f"], False)])

    def test_scores(self):
        idf = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))  # b and c are on two of four pages
        rare = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
        length = 9 / 4
        a = rare * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / length))
        b7 = idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 3 / length))
        b3 = idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / length))
        c9 = idf * 3 / (3 + 1.2 * (0.25 + 0.75 * 4 / length))
        ba = (idf + rare) * 1 / (1 + 1.2 * (0.25 + 0.75 * 3 / length))
        cc = 2 * idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 4 / length))
        fish = idf / (1 + 1.2 * (0.25 + 0.75 * 2 / (6 / 4)))  # on two of four titles, too
        for query, expected in [
                ("b", [(b3, 3), (b7, 7)]), ("a a", [(2 * a, 7)]), ("+b a", [(a + b7, 7), (b3, 3)]),
                ("+b -a", [(b3, 3)]), ('"b a"', [(ba, 7)]), ('"c c"', [(cc, 9)]),
                ("+b +c", [(2 * b3, 3)]), ('"a a"', []), ("c -b", [(c9, 9)]), ("-b", []), ("", []),
                ("intitle:fish", [(fish, 7), (fish, 9)]), ("b -intitle:two", [(b7, 7)]),
                ("c* b", [(1 + b3, 3), (1, 9), (b7, 7)]), ("+b-a c", [(ba, 7)])]:
            found = self.oracle.search(query)
            self.assertEqual([page for _, page in found], [page for _, page in expected], query)
            for (got, _), (score, _) in zip(found, expected):
                self.assertAlmostEqual(got, score, 14, query)

    def test_judge(self):
        expected = [(2.0, 5), (1.0, 1), (1.0, 2)]

        def complaints(*results, hits=3, exact=True):
            answer = {"hits": hits, "hits_exact": exact,
                      "results": [{"id": i, "score": s} for i, s in results]}
            return judge(expected, answer, 10)
        right = [(5, 2.0), (1, 1.0), (2, 1.0)]
        self.assertEqual(complaints(*right), [])
        self.assertEqual(complaints(*right, hits=1, exact=False), [])
        for wrong in (complaints(*right, hits=2), complaints(*right, hits=4, exact=False),
                      complaints(*right[:2]), complaints(right[0], right[2], right[1]),
                      complaints(right[1], right[0], right[2]),
                      complaints((5, 2.1), *right[1:]), complaints((6, 2.0), *right[1:]),
                      complaints(right[0], right[1], right[1])):
            self.assertTrue(wrong)


class Against:
    """What the two corpora share: a daemon over self.index and the oracle over its pages."""

    @classmethod
    def start(cls, index):
        cls.daemon = Daemon(index, "--workers", WORKERS)
        try:
            with cls.daemon.connect() as connection:
                cls.oracle = Oracle(pages(connection))
        except BaseException:
            cls.daemon.kill()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.rpc = self.daemon.connect()
        self.addCleanup(self.rpc.close)

    def search(self, query, rank="bm25", **options):
        return self.rpc.call("search", query=query, rank=rank, snippets=False, **options)

    def check(self, queries, default=None, **options):
        """Every query's first hundred, with pruning and without; the complaints of all queries
        together. `default` is for Oracle.search()."""
        wrong = []
        for query in queries:
            expected, answers = self.oracle.search(query, default), []
            for prune in True, False:
                try:
                    answer = self.search(query, limit=FIRST, prune=prune, **options)
                except RpcError as error:
                    wrong.append(f"{query!r} prune={prune}: {error}")
                    continue
                answers.append([(r["id"], r["score"]) for r in answer["results"]])
                wrong += [f"{query!r} prune={prune}: {complaint}"
                          for complaint in judge(expected, answer, FIRST)]
            if len(answers) == 2 and [r[0] for r in answers[0]] != [r[0] for r in answers[1]]:
                wrong.append(f"{query!r}: pruning changes the order")
        self.assertFalse(wrong, f"{len(wrong)} complaints:\n" +
                         "\n".join(wrong[:COMPLAINTS_SHOWN]))

    def positions(self):
        """Page -> position by PageRank from 0 on, as the daemon tells them."""
        found = {}
        for first in range(0, len(self.oracle.ids), 1000):
            for page in self.rpc.call("top", limit=1000, offset=first):
                found[page["title"]] = page["rank"] - 1
        return [found[title] for title in self.oracle.titles]

    def check_default(self, queries):
        positions = self.positions()
        weights = [(2.0, 2.0), (0.0, 5.0), (3.5, 0.0)]
        for i, (title_weight, pagerank_weight) in enumerate(weights):
            self.check(queries[i::len(weights)], (title_weight, pagerank_weight, positions),
                       rank="default", title_weight=title_weight, pagerank_weight=pagerank_weight)

    def check_counts(self, queries):
        for query in queries:
            expected = self.oracle.search(query)
            answer = self.search(query, limit=1, exact_hits=True)
            self.assertEqual((answer["hits"], answer["hits_exact"]), (len(expected), True), query)

    def check_paging(self, queries):
        for query in queries:
            expected = self.oracle.search(query)
            whole = self.search(query, limit=60)["results"]
            for offset, limit in [(0, 7), (7, 20), (27, 33), (len(expected), 5),
                                  (max(0, len(expected) - 3), 10)]:
                offset = min(offset, OFFSET_MAX)
                answer = self.search(query, limit=limit, offset=offset)
                self.assertEqual(judge(expected, answer, limit, offset), [], query)
                self.assertEqual([r["id"] for r in answer["results"]][:max(0, 60 - offset)],
                                 [r["id"] for r in whole[offset:offset + limit]], query)


@unittest.skipIf(UNDER, "the made-up wiki is enough for a sanitizer")
@unittest.skipUnless(os.path.exists(WIKISPEEDIA) and os.path.exists(QUERIES),
                     f"no {WIKISPEEDIA} and {QUERIES}")
class Wikispeedia(Against, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.start(build_index(WIKISPEEDIA, os.path.join(scratch(), "wikispeedia.flk")))
        with open(QUERIES, encoding="utf-8") as lines:
            cls.queries = [json.loads(line)["query"] for line in lines]

    def test_all_queries(self):
        self.check(self.queries)

    def test_default_rank(self):
        self.check_default(self.queries[::8])

    def test_exact_hits(self):
        self.check_counts(self.queries[::7])

    def test_paging(self):
        self.check_paging(self.queries[:60:6])

    def test_results_tell_title_and_length(self):
        oracle = self.oracle
        for query in self.queries[:20]:
            for result in self.search(query)["results"]:
                place = oracle.places[result["id"]]
                self.assertEqual((result["title"], result["length"]),
                                 (oracle.titles[place], oracle.body.length(place)), query)


@functools.lru_cache(maxsize=None)  # of a million pages it takes seconds, and every test asks
def usable(field):
    """Words, the most frequent first, that a query can name by themselves."""
    frequency = collections.Counter({word: len(field.pages[number])
                                     for word, number in field.numbers.items()})
    return [word for word, _ in frequency.most_common() if words(word) == [word]]


class Questioner:
    """Random queries of every form out of an oracle's own vocabulary."""

    def __init__(self, oracle, seed):
        self.oracle, self.random = oracle, random.Random(seed)
        self.by_frequency = usable(oracle.body)
        self.in_titles = usable(oracle.title)
        self.names = list(oracle.body.numbers)  # they are numbered in their order

    def word(self, vocabulary=None):
        """Frequent and rare ones alike: the logarithm of their rank is uniform."""
        vocabulary = vocabulary or self.by_frequency
        return vocabulary[int(len(vocabulary) ** self.random.random()) - 1]

    def some(self, least, most):
        return [self.word() for _ in range(self.random.randint(least, most))]

    def passage(self, least=2, most=5):
        """Words that follow each other on some page."""
        body = self.oracle.body
        while True:
            page, length = self.random.randrange(len(body)), self.random.randint(least, most)
            if body.length(page) >= length:
                at = body.starts[page] + self.random.randrange(body.length(page) - length + 1)
                found = [self.names[number] for number in body.tokens[at:at + length]]
                if words(" ".join(found)) == found:
                    return found

    def same_page(self, least, most):
        """Words of one page, so that something matches all of them."""
        found = self.passage(most, 40)
        return self.random.sample(found, self.random.randint(least, most))

    def form_word(self):
        return self.word()

    def form_union(self):
        return " ".join(self.some(2, 6))

    def form_long_union(self):
        return " ".join(self.some(10, 40))

    def form_repeated(self):
        some = self.some(1, 3)
        return " ".join(some + self.random.choices(some, k=2))

    def form_unknown(self):
        return " ".join(self.random.sample(["qqxqq", "zzyzz0", *self.some(1, 2)], 3))

    def form_intersection(self):
        return " ".join("+" + word for word in self.same_page(2, 4))

    def form_intersection_by_chance(self):
        return " ".join("+" + word for word in self.some(2, 3))

    def form_mixed(self):
        must, maybe = self.same_page(1, 2), self.some(1, 3)
        clauses = ["+" + word for word in must] + maybe
        self.random.shuffle(clauses)
        return " ".join(clauses)

    def form_negated(self):
        clauses = self.some(1, 3) + ["-" + word for word in self.some(1, 2)]
        self.random.shuffle(clauses)
        return " ".join(clauses)

    def form_must_and_not(self):
        return f"+{self.word()} {self.word()} -{self.word()}"

    def form_not_a_phrase(self):
        phrase = self.passage(2, 2)
        return f'+{phrase[0]} -"{" ".join(phrase)}"'

    def form_phrase(self):
        return f'"{" ".join(self.passage())}"'

    def form_phrase_by_chance(self):
        return f'"{self.word()} {self.word()}"'

    def form_phrase_of_frequent_words(self):
        return f'"{" ".join(self.random.choices(self.by_frequency[:12], k=2))}"'

    def form_phrase_of_one_word(self):
        return f'"{self.word()}" {self.word()}'

    def form_phrase_repeating(self):
        return '{0} "{1} {1}"'.format(self.word(), self.random.choice(self.by_frequency[:20]))

    def form_phrases_and_words(self):
        clauses = [f'"{" ".join(self.passage(2, 3))}"' for _ in range(2)] + self.some(1, 2)
        self.random.shuffle(clauses)
        return " ".join(clauses)

    def form_joined(self):
        """One argument with several words in it."""
        sign = self.random.choice(["", "+", "-"])
        return f"{sign}{self.random.choice('-./').join(self.passage(2, 3))} {self.word()}"

    def form_joined_prefix(self):
        return "{}-{}*".format(self.word(), self.word()[:3])

    def form_must_phrase(self):
        phrase = " ".join(self.passage(2, 3))
        return f'+"{phrase}" {self.word()}'

    def form_letter_case_and_punctuation(self):
        return ", ".join(self.some(2, 3)).upper() + "?"

    def form_in_title(self):
        return f"+intitle:{self.word(self.in_titles)} {self.word()}"

    def form_in_title_alone(self):
        return f"intitle:{self.word(self.in_titles)}"

    def form_not_in_title(self):
        return f"{self.word()} -intitle:{self.word(self.in_titles)}"

    def form_prefix(self):
        start = self.word()[:self.random.randint(2, 5)]
        return f"{start}*"

    def form_prefix_and_words(self):
        start = self.word()[:self.random.randint(2, 4)]
        return f"+{start}* {self.word()} -{self.word()}"


FORMS = [name for name in dir(Questioner) if name.startswith("form_")]


class MadeUpWiki(Against, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        dump, index = (os.path.join(scratch(), "made-up" + end) for end in (".xml", ".flk"))
        done = run(FORKLORED, "generate", "wiki", "--pages", str(PAGES), "--words", "40",
                   "--links", "4", "--seed", "11", "-o", dump)
        if done.returncode != 0:
            raise AssertionError(f"generating failed: {done.stderr.decode()}")
        cls.start(build_index(dump, index))
        os.unlink(dump)

    def test_exact_hits(self):
        questions = Questioner(self.oracle, 2)
        self.check_counts([getattr(questions, form)() for form in FORMS])

    def test_default_rank(self):
        questions = Questioner(self.oracle, 6)
        self.check_default([getattr(questions, form)() for form in FORMS])

    def test_paging(self):
        questions = Questioner(self.oracle, 3)
        self.check_paging([questions.form_union() for _ in range(3)] +
                          [questions.form_word(), questions.form_phrase()])

    def test_pages_of_unequal_words_are_found(self):
        """Accents, Greek, Cyrillic and CJK titles: whatever a title is made of, all its words
        together find its page."""
        strange = [place for place, title in enumerate(self.oracle.titles)
                   if not title.isascii()][:60]
        self.assertTrue(strange)
        for place in strange:
            query = "+intitle:\"" + self.oracle.titles[place].replace('"', " ") + '"'
            expected = self.oracle.search(query)
            self.assertIn(self.oracle.ids[place], [page_id for _, page_id in expected])
            answer = self.search(query, limit=FIRST, exact_hits=True)
            self.assertEqual(judge(expected, answer, FIRST), [], query)

    def test_strange_queries_are_answered_clearly(self):
        """An error that names the query, or an answer; never late, never the end."""
        vocabulary = Questioner(self.oracle, 4).by_frequency
        for query in ["", " ", "+", "-", "*", "+*", "-*", "**", '"', '""', '"""', '+""', "intitle:",
                      "intitle:*", "-intitle:*", "-" + vocabulary[0], "--a", "+-a", "-+a", "+ a",
                      "a\0b", "\u202e\u2066a", "a" + "\u0301" * 5000, "a" * 20000, "*" * 5000,
                      "+" * 5000, '"a ' * 3000, "日" * 3000, "\U0010ffff", "a*" * 1000,
                      " ".join(vocabulary[:1000]), "+" + " +".join(vocabulary[:1000]),
                      '"' + " ".join(vocabulary[:1000]) + '"', " ".join(["a*"] * 1000)]:
            before = time.monotonic()
            try:
                answer = self.search(query)
                self.assertLessEqual(len(answer["results"]), 10)
            except RpcError as error:
                self.assertEqual(error.code, "bad_params", (query[:40], error.message))
            self.assertLess(time.monotonic() - before, PATIENCE_S, query[:40])

    def test_only_refusals_are_refused(self):
        with self.assertRaises(RpcError) as refused:
            self.search("-" + Questioner(self.oracle, 5).by_frequency[0])
        self.assertEqual(refused.exception.code, "bad_params")
        self.assertIn("only excludes", refused.exception.message)


def _test_of(form):
    def test(self):
        questions = Questioner(self.oracle, form)
        self.check([getattr(questions, form)() for _ in range(RANDOM_QUERIES)])
    return test


for _form in FORMS:
    setattr(MadeUpWiki, re.sub("^form", "test", _form), _test_of(_form))


if __name__ == "__main__":
    unittest.main()
