# SPDX-License-Identifier: MIT
"""Plots as SVG, written by hand: dots with their spread, and lines over logarithmic axes. They
look the same on a white and on a dark page, and every one says where and when it was made."""
import html
import math

COLOURS = ["#2f6db5", "#d9722b", "#3a9a5c", "#b5456d", "#7a5fb5", "#8a8a3a", "#4a9aa8"]
INK, PALE, PAPER = "#222222", "#d4d4d4", "#ffffff"
HALO = f'stroke="{PAPER}" stroke-width="3" paint-order="stroke"'
FONT = 'font-family="Helvetica, Arial, sans-serif"'


def text(x, y, words, size=12, anchor="start", colour=INK, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}" {more}>{html.escape(str(words))}</text>')


def line(x1, y1, x2, y2, colour=INK, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>')


def rect(x, y, width, height, colour, more=""):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour}" {more}/>')


def short(value):
    """15000 as 15k, 1500 as 1,500, 0.00012 as 0.00012."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def in_seconds(value):
    for limit, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


class Log:
    """A logarithmic axis over values > 0, from one of 1, 2, 5 times a power of ten to another."""

    def __init__(self, values, start, end):
        values = [v for v in values if v and v > 0] or [1]
        steps = [part * 10.0 ** decade for decade in range(-12, 13) for part in (1, 2, 5)]
        self.low = max(step for step in steps if step <= 0.97 * min(values))
        self.high = min(step for step in steps if step >= max(values) and step > self.low)
        self.start, self.end = start, end

    def at(self, value):
        share = math.log10(max(value, self.low) / self.low) / math.log10(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        parts = (1, 2, 5) if self.high <= self.low * 101 else (1,)
        decade = 10.0 ** math.floor(math.log10(self.low) + 1e-9)
        while decade <= self.high * 1.001:
            yield from (decade * part for part in parts
                        if self.low * 0.999 <= decade * part <= self.high * 1.001)
            decade *= 10


class Linear:
    """From 0 to a round number."""

    def __init__(self, values, start, end):
        highest = max(values, default=1)
        self.step = next(step for step in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 50, 1e3, 1e6, 1e9)
                         if step * 8 >= highest)
        self.high = self.step * math.ceil(highest / self.step)
        self.start, self.end = start, end

    def at(self, value):
        return self.start + value / self.high * (self.end - self.start)

    def ticks(self):
        return [self.step * i for i in range(round(self.high / self.step) + 1)]


def document(width, height, title, subtitle, footer, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" {FONT}>',
        rect(0, 0, width, height, PAPER),
        text(20, 28, title, 17, more='font-weight="bold"'),
        text(20, 47, subtitle, 12, colour="#555555"), *body,
        text(20, height - 12, footer, 10, colour="#777777"), "</svg>", ""])


def dots(path, title, subtitle, axis, rows, footer, order=(), form=in_seconds, level=None,
         mark=None):
    """rows: (label, group, low, middle, high, pale). A dot with whiskers each: on a logarithmic
    axis the length of a bar would mean nothing. Groups have a colour each, by their place in
    `order`. `level`: a value to compare with, on a linear axis; `mark`: on a logarithmic one."""
    groups = list(dict.fromkeys([*order, *(row[1] for row in rows)]))
    left, width, top, step = 390, 960, 96, 23
    values = [v for row in rows for v in row[2:5]] + ([mark] if mark else [])
    scale = (Log if level is None else Linear)(values, left, width - 100)
    bottom = top + step * len(rows)
    body, x = [], 20
    for group in groups:
        if any(row[1] == group for row in rows):
            body += [f'<circle cx="{x + 5}" cy="66" r="5.5" '
                     f'fill="{COLOURS[groups.index(group) % len(COLOURS)]}"/>',
                     text(x + 16, 70, group)]
            x += 32 + 7 * len(group)
    for tick in scale.ticks():
        body += [line(scale.at(tick), top - 6, scale.at(tick), bottom, PALE),
                 text(scale.at(tick), bottom + 16, form(tick), 11, "middle")]
    for value in (level, mark):
        if value is not None:
            body.append(line(scale.at(value), top - 6, scale.at(value), bottom, INK, 1.6))
    body.append(text((left + width - 100) / 2, bottom + 36, axis, 12, "middle"))
    for i, (label, group, low, middle, high, pale) in enumerate(rows):
        centre, colour = top + step * (i + 0.4), COLOURS[groups.index(group) % len(COLOURS)]
        low, middle_x, high = scale.at(low), scale.at(middle), scale.at(high)
        body += [text(left - 8, centre + 4, label, 12, "end"),
                 line(left, centre, width - 100, centre, "#eeeeee"),
                 line(low, centre, high, centre, colour, 2),
                 line(low, centre - 4, low, centre + 4, colour, 2),
                 line(high, centre - 4, high, centre + 4, colour, 2),
                 f'<circle cx="{middle_x:.1f}" cy="{centre:.1f}" r="5.5" stroke="{colour}" '
                 f'stroke-width="2" fill="{PAPER if pale else colour}"/>',
                 text(max(high, middle_x) + 11, centre + 4, form(middle), 11, more=HALO)]
    with open(path, "w", encoding="utf-8") as out:
        out.write(document(width, bottom + 66, title, subtitle, footer, body))


def lines(path, title, subtitle, axes, series, footer, forms=(short, short)):
    """series: name -> [(x, y), ...], both axes logarithmic; one tick for each x there is."""
    width, height, left, right, top, bottom = 760, 460, 80, 560, 76, 380
    points = [point for values in series.values() for point in values]
    horizontal = Log([], left, right)
    xs = sorted({x for x, _ in points}) or [1]
    horizontal.low, horizontal.high = xs[0], max(xs[-1], xs[0] * 2)
    vertical = Log([y for _, y in points], bottom, top)
    body = []
    for tick in vertical.ticks():
        body += [line(left, vertical.at(tick), right, vertical.at(tick), PALE),
                 text(left - 8, vertical.at(tick) + 4, forms[1](tick), 11, "end")]
    for tick in xs:
        body += [line(horizontal.at(tick), bottom, horizontal.at(tick), bottom + 5),
                 text(horizontal.at(tick), bottom + 19, forms[0](tick), 11, "middle")]
    middle = (top + bottom) / 2
    body += [line(left, bottom, right, bottom), line(left, top, left, bottom),
             text((left + right) / 2, bottom + 40, axes[0], 12, "middle"),
             text(22, middle, axes[1], 12, "middle", more=f'transform="rotate(-90 22 {middle})"')]
    labels = []
    for i, (name, values) in enumerate(series.items()):
        colour, values = COLOURS[i % len(COLOURS)], sorted(values)
        where = [(horizontal.at(x), vertical.at(y)) for x, y in values]
        body.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                    + " ".join(f"{x:.1f},{y:.1f}" for x, y in where) + '"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in where]
        if where:
            labels.append((where[-1][1], name, colour))
    lowest = -math.inf
    for y, name, colour in sorted(labels):  # beside the line's end, never on one another
        lowest = max(y, lowest + 16)
        body.append(text(right + 12, lowest + 4, name, 12, colour=colour))
    with open(path, "w", encoding="utf-8") as out:
        out.write(document(width, height, title, subtitle, footer, body))
