#!/usr/bin/env python3
"""A picture of one `./karwan bench --json`: plot.py < object > performance.svg. What an order costs in the path and in its
parts alone, and the runs beside the ceiling of the parts."""

import json
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 210, 70, 22, 34
INK, FAINT, PATH, PART, RUN = "#24292f", "#d0d7de", "#3b6ea5", "#8fb339", "#c2571a"


class Picture:
    def __init__(self):
        self.shapes, self.y = [], TOP

    def text(self, x, y, words, anchor="start", size=12, weight="normal"):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
                           f'fill="{INK}">{escape(words)}</text>')

    def title(self, words):
        self.y += 14
        self.text(16, self.y, words, size=14, weight="bold")
        self.y += 12

    def bars(self, rows, colour, most):
        """rows: name, microseconds."""
        scale = (WIDTH - LEFT - RIGHT) / most
        for name, value in rows:
            self.text(LEFT - 8, self.y + 15, name, "end")
            self.shapes.append(f'<rect x="{LEFT}" y="{self.y + 4}" width="{max(value * scale, 1):.1f}" height="{ROW - 8}" '
                               f'fill="{colour}"/>')
            self.text(LEFT + value * scale + 6, self.y + 15, f"{value:.0f}")
            self.y += ROW

    def runs(self, values, median, ceiling):
        """One mark a run, on a line from nothing to the ceiling."""
        scale, y = (WIDTH - LEFT - RIGHT) / ceiling, self.y + 14
        self.shapes.append(f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + ceiling * scale:.1f}" y2="{y}" stroke="{FAINT}" '
                           'stroke-width="2"/>')
        for value in values:
            self.shapes.append(f'<circle cx="{LEFT + value * scale:.1f}" cy="{y}" r="5" fill="{RUN}" fill-opacity="0.6"/>')
        self.text(LEFT - 8, y + 4, "each run", "end")
        self.text(LEFT + median * scale, y + 24, f"median {median:,.0f}", "middle")
        self.text(LEFT + ceiling * scale, y + 24, f"ceiling of the parts {ceiling:,.0f}", "end")
        self.y += 44

    def svg(self):
        height = self.y + 16
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
                'font-family="system-ui, sans-serif" role="img">'
                f'<title>Karwan: what an order costs</title><rect width="100%" height="100%" fill="#ffffff"/>'
                + "".join(self.shapes) + "</svg>\n")


def largest_first(rows):
    return sorted(rows, key=lambda row: -row[1])


def main():
    told = json.loads(sys.stdin.readlines()[-1])
    path = largest_first(told["cpu_us_per_order"].items())
    parts = largest_first((name, part["units"] * part["us"]) for name, part in told["parts"].items())
    most = max(value for _, value in path + parts)
    picture = Picture()
    picture.text(16, 26, f"Karwan: {told['orders_per_s']:,.0f} orders a second, check {told['check']}", size=16, weight="bold")
    picture.title("Orders a second, sustained")
    picture.runs(told["runs"]["orders_per_s"], told["orders_per_s"], told["ceiling"])
    picture.title(f"CPU of an order in the whole path, us: {sum(value for _, value in path):,.0f}")
    picture.bars(path, PATH, most)
    picture.title(f"The same of each part alone, us: {sum(value for _, value in parts):,.0f}")
    picture.bars(parts, PART, most)
    for name, told_as in (("accept_ms", "202 at half of the rate"), ("event_ms", "booked at half of the rate")):
        spread = told[name]
        picture.y += 18
        picture.text(16, picture.y, f"{told_as}: p50 {spread['p50']:.1f}, p99 {spread['p99']:.1f}, p99.9 {spread['p999']:.1f} ms")
    sys.stdout.write(picture.svg())


if __name__ == "__main__":
    main()
