# SPDX-License-Identifier: MIT
"""Search by brute force, to judge the daemon's: every page that matches is scored, nothing is
skipped, and nothing here is taken from the program. Only the standard library.

What is meant: words are maximal runs of letters, marks and digits, case-folded after NFKC; runs
of Chinese, Japanese and Korean characters count as overlapping bigrams. BM25 with k1 = 1.2,
b = 0.75, idf = ln(1 + (N - n + 0.5) / (n + 0.5)), exact lengths, no (k1 + 1) factor. A phrase
scores like one word that occurs as often as the phrase does and whose idf is the sum of its
words'. A query's clauses are words (one has to match), +must, -not, "phrases", intitle:word and
word*; a clause given twice counts twice. Ties go by page id.

What the description leaves open is in Meaning, so that the judge can say what it assumes."""
import array
import collections
import functools
import itertools
import math
import re
import sys
import unicodedata

K1, B = 1.2, 0.75


# --- Words ------------------------------------------------------------------------------------


def _ranges(codes):
    """A regular expression's character class of these code points, which ascend."""
    parts, first, last = [], None, None
    for code in itertools.chain(codes, [None]):
        if first is not None and code != last + 1:
            parts.append(re.escape(chr(first)) + "-" + re.escape(chr(last)))
            first = None
        if first is None:
            first = code
        last = code
    return "".join(parts)


_CATEGORIES = "".join(unicodedata.category(chr(code))[0] for code in range(sys.maxunicode + 1))
_WORD_CODES = [code for code, category in enumerate(_CATEGORIES) if category in "LMN"]
_MARKS = _ranges(code for code in _WORD_CODES if _CATEGORIES[code] == "M")

# Han, Hiragana, Katakana and Hangul, with the marks of repetition and length they are written with.
CJK_BLOCKS = [(0x1100, 0x11ff), (0x2e80, 0x2fdf), (0x3005, 0x3007), (0x3021, 0x3029),
              (0x3031, 0x3035), (0x3038, 0x303c), (0x3041, 0x30ff), (0x3131, 0x318e),
              (0x31f0, 0x31ff), (0x3400, 0x4dbf), (0x4e00, 0x9fff), (0xa960, 0xa97c),
              (0xac00, 0xd7fb), (0xf900, 0xfaff), (0x1b000, 0x1b16f), (0x20000, 0x323af)]

_WORD = re.compile(f"[{_ranges(_WORD_CODES)}]+")
_MAYBE_WORD = re.compile("[a-z0-9\x80-\U0010ffff]+")  # a small class: ten times as fast
_CJK = _ranges(code for first, last in CJK_BLOCKS for code in range(first, last + 1)
               if _CATEGORIES[code] in "LN")
_CJK_UNIT = re.compile(f"[{_CJK}][{_MARKS}]*")  # a character with the marks on it
_CJK_RUN = re.compile(f"(?:{_CJK_UNIT.pattern})+")


def fold(text):
    return unicodedata.normalize("NFKC", text).casefold()


def _bigrams(run):
    units = _CJK_UNIT.findall(run)
    return ["".join(pair) for pair in zip(units, units[1:])] or units


def words(text):
    """The words of a text in their order; a word's place in this list is its position."""
    text = fold(text)
    if text.isascii():
        return _MAYBE_WORD.findall(text)
    parts = []
    for maybe in _MAYBE_WORD.findall(text):
        if maybe.isascii():
            parts.append(maybe)
        else:
            parts += _split(_WORD.findall(maybe))
    return parts


def _split(found):
    """Words, those with CJK characters in them as pairs of these."""
    parts = []
    for word in found:
        if not _CJK_RUN.search(word):
            parts.append(word)
            continue
        at = 0
        for run in _CJK_RUN.finditer(word):
            if run.start() > at:
                parts.append(word[at:run.start()])
            parts += _bigrams(run.group())
            at = run.end()
        if at < len(word):
            parts.append(word[at:])
    return parts


# --- The index --------------------------------------------------------------------------------


class Numbers(dict):
    """Word -> number, a new one for a word that is asked for."""

    def __missing__(self, word):
        self[word] = number = len(self)
        return number


class Field:
    """The words of one field of all pages: word numbers, page after page."""

    def __init__(self):
        self.numbers = Numbers()
        self.starts = array.array("Q", [0])  # of each page in tokens
        self.tokens = array.array("I")
        self.pages = []                      # word number -> pages it is on
        self.counts = []                     # word number -> how often, page by page

    def add(self, page_words):
        page = len(self.starts) - 1
        ids = list(map(self.numbers.__getitem__, page_words))
        self.tokens.extend(ids)
        self.starts.append(len(self.tokens))
        for number, count in collections.Counter(ids).items():
            if number >= len(self.pages):
                self.pages += [array.array("I") for _ in range(number + 1 - len(self.pages))]
                self.counts += [array.array("I") for _ in range(number + 1 - len(self.counts))]
            self.pages[number].append(page)
            self.counts[number].append(count)

    def __len__(self):
        return len(self.starts) - 1

    def length(self, page):
        return self.starts[page + 1] - self.starts[page]

    @property
    def average(self):
        return len(self.tokens) / max(1, len(self))

    def postings(self, word):
        """Page -> how often."""
        number = self.numbers.get(word)
        return {} if number is None else dict(zip(self.pages[number], self.counts[number]))

    def idf(self, word):
        number = self.numbers.get(word)
        n = 0 if number is None else len(self.pages[number])
        return math.log(1 + (len(self) - n + 0.5) / (n + 0.5))

    def phrase(self, phrase_words):
        """Page -> how often these words follow each other; occurrences may overlap."""
        numbers = [self.numbers.get(word) for word in phrase_words]
        if None in numbers:
            return {}
        both = set.intersection(*(set(self.pages[number]) for number in numbers))
        wanted, found = array.array("I", numbers).tobytes(), {}
        for page in both:
            text = self.tokens[self.starts[page]:self.starts[page + 1]].tobytes()
            count, at = 0, text.find(wanted)
            while at >= 0:
                count += at % self.tokens.itemsize == 0
                at = text.find(wanted, at + 1)
            if count:
                found[page] = count
        return found

    @functools.cached_property
    def norms(self):
        """Page -> what is added to a count below the line; once all pages are there."""
        average = self.average
        return [K1 * (1 - B + B * self.length(page) / average) for page in range(len(self))]

    def saturation(self, page, count):
        return count / (count + self.norms[page])


# --- Queries ----------------------------------------------------------------------------------

# prefix: how word* scores: "sum" as the union of the words it stands for, "synonym" as one word
#   that occurs where any of them does, "constant" 1 as Lucene has it.
# intitle: "zero": it selects and adds nothing to the pure formula; "bm25": BM25 of the titles.
# joined: what +a-b means, one argument with several words: "or" +(a b), "and" +a +b, "phrase".
Meaning = collections.namedtuple("Meaning", "prefix intitle joined",
                                 defaults=("constant", "bm25", "phrase"))
Clause = collections.namedtuple("Clause", "sign title quoted words prefix")

_CLAUSE = re.compile(r'(?P<sign>[+-]?)(?P<title>intitle:)?(?:"(?P<quoted>[^"]*)(?:"|$)|'
                     r'(?P<bare>[^\s"]+))', re.IGNORECASE)


def parse(query):
    """The clauses of a query. Those without a word are left out."""
    clauses = []
    for match in _CLAUSE.finditer(query):
        quoted = match["quoted"] is not None
        text = match["quoted"] if quoted else match["bare"]
        found = words(text)
        prefix = not quoted and text.endswith("*")
        if found:
            clauses.append(Clause(match["sign"], bool(match["title"]), quoted, found, prefix))
    return clauses


class Oracle:
    """Searches `pages`, (id, title, text) each."""

    def __init__(self, pages, meaning=Meaning()):
        self.meaning = meaning
        self.ids, self.titles = array.array("Q"), []
        self.body, self.title = Field(), Field()
        for page_id, title, text in sorted(pages):
            self.ids.append(page_id)
            self.titles.append(title)
            self.body.add(words(text))
            self.title.add(words(title))
        self.places = {page_id: place for place, page_id in enumerate(self.ids)}
        # Queries share their words. What is kept of them must fit into memory for a large wiki.
        kept = max(8, min(256, 5000000 // max(1, len(self.ids))))
        self._scored = functools.lru_cache(maxsize=kept)(self._score)

    def _occurrences(self, field, found, quoted):
        """idf and page -> how often, for one word or a phrase."""
        if len(found) == 1 or not quoted:
            return field.idf(found[0]), field.postings(found[0])
        return math.fsum(field.idf(word) for word in found), field.phrase(found)

    def _score(self, field, found, quoted=False):
        if field is self.title and self.meaning.intitle == "zero":
            return dict.fromkeys(self._occurrences(field, found, quoted)[1], 0.0)
        idf, where = self._occurrences(field, found, quoted)
        norms = field.norms
        return {page: idf * (count / (count + norms[page])) for page, count in where.items()}

    def _prefix(self, field, start):
        expanded = sorted(word for word in field.numbers if word.startswith(start))
        if self.meaning.prefix == "synonym":
            total = collections.Counter()
            for word in expanded:
                total.update(field.postings(word))
            n = len(total)
            idf = math.log(1 + (len(field) - n + 0.5) / (n + 0.5))
            scored = {page: idf * field.saturation(page, count) for page, count in total.items()}
        elif self.meaning.prefix == "constant":
            scored = set().union(*(field.pages[field.numbers[word]] for word in expanded))
        else:
            scored = _union(self._scored(field, (word,)) for word in expanded)
        if field is self.title and self.meaning.intitle == "zero":
            return dict.fromkeys(scored, 0.0)
        return dict.fromkeys(scored, 1.0) if self.meaning.prefix == "constant" else scored

    def _matches(self, clause, field):
        """Page -> score, of one clause in a field."""
        if clause.quoted:
            return self._scored(field, tuple(clause.words), quoted=True)
        *whole, last = clause.words
        parts = [self._scored(field, (word,)) for word in whole]
        parts.append(self._prefix(field, last) if clause.prefix else self._scored(field, (last,)))
        if len(parts) == 1:
            return parts[0]
        if self.meaning.joined == "phrase" and not clause.prefix:
            return self._scored(field, tuple(clause.words), quoted=True)
        union = _union(parts)
        if self.meaning.joined == "and":
            return {page: union[page] for page in set.intersection(*map(set, parts))}
        return union

    def _by_default(self, clause, title_weight):
        """Page -> score, of one clause where titles count as well."""
        if not clause.prefix:
            in_title = self._matches(clause, self.title)
            weighted = {page: title_weight * score for page, score in in_title.items()}
            return weighted if clause.title else _union([self._matches(clause, self.body), weighted])
        fields = [self.title] if clause.title else [self.body, self.title]
        parts = []
        for word in clause.words[:-1]:
            parts.append(self._by_default(clause._replace(words=[word], prefix=False),
                                          title_weight))
        starts = [self._prefix(field, clause.words[-1]) for field in fields]
        parts.append(dict.fromkeys(set().union(*starts), 1.0))
        return _union(parts)

    def search(self, query, default=None):
        """[(score, id)] of all pages that match, best first: by BM25 of the text, or `default`:
        the daemon's own ranking as its documentation has it, (title weight, PageRank weight,
        page -> position by PageRank from 0 on)."""
        must, maybe, refused = [], [], set()
        for clause in parse(query):
            matches = (self._by_default(clause, default[0]) if default else
                       self._matches(clause, self.title if clause.title else self.body))
            if clause.sign == "-":
                refused.update(matches)
            else:
                (must if clause.sign == "+" else maybe).append(matches)
        scores = _union(must + maybe)
        hits = set.intersection(*map(set, must)) if must else set(scores)
        ids = self.ids
        if default:
            _, weight, positions = default
            scale = weight / math.log1p(len(ids))
            hits = {page: scores[page] + weight - scale * math.log1p(positions[page])
                    for page in hits - refused}
            scores = hits
        found = sorted([(-scores[page], ids[page]) for page in hits if page not in refused])
        return [(-score, page_id) for score, page_id in found]


def _union(parts):
    scores = collections.defaultdict(list)
    for part in parts:
        for page, score in part.items():
            scores[page].append(score)
    return {page: some[0] if len(some) == 1 else math.fsum(some)
            for page, some in scores.items()}


# --- Judging ----------------------------------------------------------------------------------


def judge(expected, answer, limit, offset=0, tolerance=1e-5, slack=1e-6):
    """What is wrong with an answer, as sentences; none if it is right. `expected` is what
    Oracle.search() gave. A score may be off by `tolerance`, relative to the larger of it and 1.
    Of pages whose scores differ by less than `slack`, relative, either may come first, as single
    precision cannot tell them apart; of pages with the same score only the one of lower id may."""
    wrong, scores = [], {page_id: score for score, page_id in expected}
    hits, results = answer["hits"], answer["results"]
    if answer["hits_exact"] and hits != len(expected):
        wrong.append(f"{hits} hits, expected {len(expected)}")
    elif hits > len(expected):
        wrong.append(f"at least {hits} hits, expected {len(expected)}")
    wanted = expected[offset:offset + limit]
    if len(results) != len(wanted):
        wrong.append(f"{len(results)} results, expected {len(wanted)}")
    if len({result["id"] for result in results}) != len(results):
        wrong.append("a page comes twice")
    before = None
    for place, (result, (score, page_id)) in enumerate(zip(results, wanted), offset + 1):
        true = scores.get(result["id"])
        if true is None:
            wrong.append(f"place {place}: page {result['id']} does not match")
        elif abs(true - score) > slack * max(1e-9, abs(score)):
            wrong.append(f"place {place}: page {result['id']} of score {true:.7f}, expected "
                         f"page {page_id} of score {score:.7f}")
        elif before and before[0] == true and before[1] > result["id"]:
            wrong.append(f"place {place}: page {result['id']} after page {before[1]} of the same "
                         f"score {true:.7f}")
        if true is not None and abs(result["score"] - true) > tolerance * max(1, abs(true)):
            wrong.append(f"place {place}: page {result['id']} has score {result['score']:.7f}, "
                         f"expected {true:.7f}")
        before = (true, result["id"])
    return wrong


# --- Reading a daemon's pages -------------------------------------------------------------------


def titles(connection):
    """Of all pages in the order of their ids, as their texts stand in the index: the next one is
    mostly where the last one was."""
    found, piece = [], None
    while piece is None or piece:
        piece = connection.call("top", limit=10000, offset=len(found))
        found += [(page["id"], page["title"]) for page in piece]
    return [title for _, title in sorted(found)]


def pages(connection, method="page", at_once=100):
    """(id, title, readable text) of every page, as the daemon shows it."""
    waiting = iter(titles(connection))
    while batch := list(itertools.islice(waiting, at_once)):
        for number, title in enumerate(batch, 1 << 32):
            connection.send([0, number, method, {"title": title, "format": "text"}])
        for _ in batch:
            _, _, error, result = connection.receive()
            if error is not None:
                raise AssertionError(f"a page of top cannot be read: {error}")
            yield result["id"], result["title"], result["text"]
