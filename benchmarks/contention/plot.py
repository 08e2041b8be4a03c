#!/usr/bin/env python3
"""plot.py BENCHMARKS.md > PLOT.svg: draws the tables that contention.py printed. The same tables give the same bytes."""

import math
import pathlib
import re
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 330, 190  # of a panel's plane
LEFT, TOP, GAP_X, GAP_Y = 70, 110, 90, 75
COLOURS = ["#888888", "#56b4e9", "#0072b2", "#e69f00", "#d55e00", "#cc79a7", "#009e73", "#000000"]
# Column of the table, title, whether its scale is logarithmic.
METRICS = [
    (2, "hand-off, p50 (µs)", True),
    (3, "hand-off, p99 (µs)", True),
    (6, "turns per second", True),
    (7, "CPU per turn (µs)", True),
    (8, "longest wait for a turn (ms)", True),
    (9, "fewest / most turns of a process", False),
]


def read_tables(text):
    """use -> kind -> processes -> the row's cells."""
    tables = {}
    for title, body in re.findall(r"^#### (\d+ µs inside.*)\n\n((?:\|.*\n)+)", text, re.M):
        rows, count = {}, None
        for line in body.splitlines()[2:]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            count = int(cells[0]) if cells[0] else count
            rows.setdefault(cells[1].replace("`", ""), {})[count] = cells
        tables[title] = rows
    return tables


def number(cell):
    return None if cell == "–" else float(cell.replace(",", ""))


class Panel:
    def __init__(self, x, y, title, metric, rows):
        self.x, self.y, self.title, self.rows = x, y, title, rows
        self.column, self.unit, self.logarithmic = metric
        self.counts = sorted({count for found in rows.values() for count in found})
        values = [value for _, points in self.lines() for _, value in points]
        if self.logarithmic:
            self.low = math.floor(math.log10(min(values)))
            self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        else:
            self.low, self.high = 0, 1

    def lines(self):
        for kind, found in self.rows.items():
            points = [(count, number(cells[self.column])) for count, cells in sorted(found.items())]
            yield kind, [(c, v) for c, v in points if v is not None and (v > 0 or not self.logarithmic)]

    def place(self, count, value):
        first, last = math.log2(self.counts[0]), math.log2(self.counts[-1])
        across = (math.log2(count) - first) / (last - first)
        up = ((math.log10(value) if self.logarithmic else value) - self.low) / (self.high - self.low)
        return f"{self.x + across * WIDTH:.1f},{self.y + (1 - up) * HEIGHT:.1f}"

    def axes(self):
        if self.title:
            yield text(self.x + WIDTH / 2, self.y - 34, self.title, "middle", 13, "bold")
        yield text(self.x, self.y - 8, self.unit, "start", 12)
        ticks = [10.0 ** n for n in range(self.low, self.high + 1)] if self.logarithmic else [0, 0.25, 0.5, 0.75, 1]
        for tick in ticks:
            left, right = self.place(self.counts[0], tick), self.place(self.counts[-1], tick)
            yield f'<polyline points="{left} {right}" stroke="#dddddd" fill="none"/>'
            yield text(self.x - 6, float(left.split(",")[1]) + 4, f"{tick:,.6g}", "end", 11)
        for count in self.counts:
            yield text(float(self.place(count, ticks[0]).split(",")[0]), self.y + HEIGHT + 16, str(count), "middle", 11)

    def draw(self, colours):
        yield from self.axes()
        for kind, points in self.lines():
            where = [self.place(*point) for point in points]
            thick = 3 if kind.startswith("lockkit") else 1.5
            yield f'<polyline points="{" ".join(where)}" stroke="{colours[kind]}" stroke-width="{thick}" fill="none"/>'
            for one in where:
                x, y = one.split(",")
                yield f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colours[kind]}"/>'


def text(x, y, words, anchor, size, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
            f"{escape(words)}</text>")


def legend(kinds, colours):
    for at, kind in enumerate(kinds):
        x, y = LEFT + at % 4 * 205, 24 + at // 4 * 20
        yield f'<rect x="{x}" y="{y - 9}" width="14" height="10" fill="{colours[kind]}"/>'
        yield text(x + 20, y, kind, "start", 12)


def draw(tables):
    kinds = list(next(iter(tables.values())))
    colours = dict(zip(kinds, COLOURS))
    width = LEFT + len(tables) * (WIDTH + GAP_X)
    height = TOP + len(METRICS) * (HEIGHT + GAP_Y)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="sans-serif">')
    yield f'<rect width="{width}" height="{height}" fill="white"/>'
    yield from legend(kinds, colours)
    for column, (title, rows) in enumerate(tables.items()):
        for row, metric in enumerate(METRICS):
            x, y = LEFT + column * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y)
            yield from Panel(x, y, title if row == 0 else "", metric, rows).draw(colours)
    yield text(LEFT + WIDTH, height - 12, "processes", "middle", 12)
    yield "</svg>"


tables = read_tables(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
if not tables:
    sys.exit(f"plot.py: {sys.argv[1]} has no table of contention.py")
print("\n".join(draw(tables)))
