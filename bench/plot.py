# SPDX-License-Identifier: MIT
"""Plots as SVG, written by hand: bars with their spread, and lines over a logarithmic axis. They
look the same on a white and on a dark page, and every one says where and when it was made."""
import html
import math

COLOURS = ["#2f6db5", "#d9722b", "#3a9a5c", "#b5456d", "#7a5fb5", "#8a8a3a", "#4a9aa8"]
INK, PALE, PAPER = "#222222", "#d4d4d4", "#ffffff"
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
    """1500 as 1.5k, 0.00012 as 0.00012."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:.3g}"


def in_seconds(value):
    for limit, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


class Log:
    """A logarithmic axis over values > 0."""

    def __init__(self, values, start, end):
        values = [v for v in values if v and v > 0] or [1]
        self.low = 10 ** math.floor(math.log10(min(values)) + 0.05)
        self.high = 10 ** math.ceil(math.log10(max(values)) - 0.05)
        if self.high <= self.low:
            self.high = self.low * 10
        self.start, self.end = start, end

    def at(self, value):
        share = math.log10(max(value, self.low) / self.low) / math.log10(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        decade = self.low
        while decade <= self.high * 1.001:
            yield decade
            decade *= 10


def document(width, height, title, subtitle, footer, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" {FONT}>',
        rect(0, 0, width, height, PAPER),
        text(20, 28, title, 17, more='font-weight="bold"'),
        text(20, 47, subtitle, 12, colour="#555555"), *body,
        text(20, height - 12, footer, 10, colour="#777777"), "</svg>", ""])


def bars(path, title, subtitle, axis, rows, footer, form=in_seconds):
    """rows: (label, group, low, middle, high, pale). Groups have a colour each, and a legend."""
    groups = list(dict.fromkeys(row[1] for row in rows))
    left, width, top, step = 330, 900, 96, 23
    scale = Log([v for row in rows for v in row[2:5]], left, width - 90)
    bottom = top + step * len(rows)
    body, x = [], 20
    for i, group in enumerate(groups):
        body += [rect(x, 60, 11, 11, COLOURS[i % len(COLOURS)]), text(x + 16, 70, group)]
        x += 30 + 7 * len(group)
    for tick in scale.ticks():
        body += [line(scale.at(tick), top - 6, scale.at(tick), bottom, PALE),
                 text(scale.at(tick), bottom + 16, form(tick), 11, "middle")]
    body.append(text((left + width - 90) / 2, bottom + 34, axis, 12, "middle"))
    for i, (label, group, low, middle, high, pale) in enumerate(rows):
        y, colour = top + step * i, COLOURS[groups.index(group) % len(COLOURS)]
        centre = y + (step - 5) / 2
        body += [text(left - 8, centre + 4, label, 12, "end"),
                 rect(left, y, max(1, scale.at(middle) - left), step - 5, colour,
                      'fill-opacity="0.35"' if pale else ""),
                 line(scale.at(low), centre, scale.at(high), centre, INK, 1.4),
                 line(scale.at(low), centre - 4, scale.at(low), centre + 4, INK, 1.4),
                 line(scale.at(high), centre - 4, scale.at(high), centre + 4, INK, 1.4),
                 text(scale.at(high) + 6, centre + 4, form(middle), 11)]
    with open(path, "w", encoding="utf-8") as out:
        out.write(document(width, bottom + 64, title, subtitle, footer, body))


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
