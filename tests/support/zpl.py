#!/usr/bin/env python3
"""Reads a ZPL label as a printer would: zpl.py LABEL.zpl PICTURE.pgm

Only the commands that Karwan's labels use are known; any other one, and so anything that a text has smuggled in, is a
fault. Code 128 is drawn by ISO/IEC 15417 from the ^BC data, everything else as its outline. Prints one line per field:
"bars <what they say>" or "text <text>".
"""
import re
import sys

PATTERNS = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232").split()
STOP = "2331112"
STARTS = {">9": 103, ">:": 104, ">;": 105}
SETS = {">7": 101, ">6": 100, ">5": 99}
SIGNS = {"><": 62, ">0": 30, ">=": 94}  # ^ > ~
FNC1 = 102


class Fault(Exception):
    pass


def code128(data):
    """Code words of ^BC data (mode N): start, values, check."""
    current = STARTS.get(data[:2])
    words = [104 if current is None else current]
    current, at = words[0], 0 if current is None else 2
    while at < len(data):
        pair = data[at:at + 2]
        at += 2
        if pair in SETS:
            words.append(SETS[pair])
            current = {99: 105, 100: 104, 101: 103}[words[-1]]
        elif pair == ">8":
            words.append(FNC1)
        elif pair in SIGNS and current != 105:
            words.append(SIGNS[pair])
        elif pair[0] == ">":
            raise Fault(f"unknown code {pair} in bars")
        elif current == 105:
            if not re.fullmatch("[0-9]{2}", pair):
                raise Fault(f"{pair!r} is no pair of digits in set C")
            words.append(int(pair))
        else:
            at -= 1
            value = ord(pair[0]) - 32
            limit = 64 if current == 103 else 95
            if not 0 <= value < limit:
                raise Fault(f"{pair[0]!r} is not in the set")
            words.append(value)
    words.append(check_of(words))
    return words


def check_of(words):
    return (words[0] + sum(i * word for i, word in enumerate(words[1:], 1))) % 103


def said(words):
    """What a scanner says."""
    text, current = "", words[0]
    for word in words[1:-1]:
        if word in (99, 100, 101):
            current = {99: 105, 100: 104, 101: 103}[word]
        elif word != FNC1:
            text += f"{word:02}" if current == 105 else chr(word + 32)
    return text


def widths(words):
    return [int(c) for c in "".join(PATTERNS[word] for word in words) + STOP]


class Picture:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [bytearray(b"\xff" * width) for _ in range(height)]

    def fill(self, x, y, width, height):
        if x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            raise Fault(f"{width} x {height} at {x},{y} is not on the label")
        for row in self.rows[y:y + height]:
            row[x:x + width] = bytes(width)

    def write(self, path):
        with open(path, "wb") as out:
            out.write(b"P5 %d %d 255\n" % (self.width, self.height) + b"".join(self.rows))


class Label:
    def __init__(self):
        self.fields = []
        self.picture = None
        self.size = {}
        self.at = self.font = self.bars = self.escape = None
        self.module = 2
        self.utf8 = False

    def command(self, name, rest):
        """One command; the data of ^FD ends at the next ^."""
        known = (
            ("XA", r"", self.begin), ("CI", r"(28)", self.set_utf8), ("PW", r"(\d+)", self.set_width),
            ("LL", r"(\d+)", self.set_length), ("FO", r"(\d+),(\d+)", self.set_origin),
            ("A0", r"N,(\d+),(\d+)", self.set_font), ("BY", r"([1-9]|10)", self.set_module),
            ("BC", r"N,(\d+),N,N,N,N", self.set_bars), ("FH", r"(_)", self.set_escape), ("FD", r"(.*)", self.data),
            ("FS", r"", self.end_field), ("GB", r"(\d+),(\d+),(\d+)", self.box), ("XZ", r"", self.end))
        for word, pattern, act in known:
            if word == name:
                found = re.fullmatch(pattern, rest.rstrip("\n") if name != "FD" else rest, re.S)
                if found:
                    act(*found.groups())
                    return
        raise Fault(f"unexpected command ^{name}{rest[:40]!r}")

    def begin(self):
        if self.picture or self.size:
            raise Fault("a second label")

    def set_utf8(self, _):
        self.utf8 = True

    def set_width(self, n):
        self.size["width"] = int(n)

    def set_length(self, n):
        self.picture = Picture(self.size["width"], int(n))

    def set_origin(self, x, y):
        self.at = int(x), int(y)

    def set_font(self, height, width):
        self.font = int(height), int(width)

    def set_module(self, n):
        self.module = int(n)

    def set_bars(self, height):
        self.bars = int(height)

    def set_escape(self, sign):
        self.escape = sign

    def data(self, text):
        if self.escape:
            raw = re.sub(rb"_([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())
            if b"_" in re.sub(rb"_[0-9A-Fa-f]{2}", b"", text.encode()):
                raise Fault("a _ that is no escape")
            text = raw.decode() if self.utf8 else raw.decode("latin-1")
        if any(ord(c) < 32 for c in text):
            raise Fault("a control character")
        if self.bars:
            words = code128(text)
            self.draw_bars(words)
            self.fields.append(("bars", said(words)))
        elif self.font:
            height, width = self.font
            self.picture.fill(*self.at, 1, height)
            if self.at[0] + len(text) * width * 0.3 > self.picture.width:
                raise Fault(f"too long for the label: {text}")
            self.fields.append(("text", text))
        else:
            raise Fault("data of neither text nor bars")

    def draw_bars(self, words):
        x, y = self.at
        bars = widths(words)
        quiet = 10 * self.module
        if x < quiet or x + sum(bars) * self.module + quiet > self.picture.width:
            raise Fault(f"no quiet zone: {sum(bars)} modules of {self.module} at {x}")
        for i, width in enumerate(bars):
            if i % 2 == 0:
                self.picture.fill(x, y, width * self.module, self.bars)
            x += width * self.module

    def box(self, width, height, _):
        self.picture.fill(*self.at, int(width), int(height))

    def end_field(self):
        self.at = self.font = self.bars = self.escape = None

    def end(self):
        self.size["end"] = True


def read(zpl):
    label = Label()
    if "~" in zpl:
        raise Fault("a control command (~)")
    parts = zpl.split("^")
    if parts[0]:
        raise Fault("something before the first command")
    for part in parts[1:]:
        if label.size.get("end"):
            raise Fault("something after the label's end")
        label.command(part[:2], part[2:])
    if not label.size.get("end"):
        raise Fault("no end")
    return label


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        label = read(file.read())
    label.picture.write(sys.argv[2])
    for kind, text in label.fields:
        print(kind, text)


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"zpl: {fault}")
