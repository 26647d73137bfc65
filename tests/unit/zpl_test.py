#!/usr/bin/env python3
"""The tests' reader of ZPL labels, on vectors of the standards: it must not be kinder than a printer."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import zpl  # noqa: E402

HEAD, TAIL = "^XA\n^CI28\n^PW812^LL1218\n", "^XZ\n"
TEXT = "^FO39,39^A0N,30,15"


class Code128(unittest.TestCase):
    def test_vectors(self):
        for data, words in (
                (">9PJJ123C", [103, 48, 42, 42, 17, 18, 19, 35, 54]),
                (">:PJJ123C", [104, 48, 42, 42, 17, 18, 19, 35, 55]),
                (">:A", [104, 33, 34]),
                (">:RI4>576394652>6CH", [104, 50, 41, 20, 99, 76, 39, 46, 52, 100, 35, 40, 26]),
                (">;>800123451234512345120", [105, 102, 0, 12, 34, 51, 23, 45, 12, 34, 51, 20, 56])):
            with self.subTest(data):
                self.assertEqual(zpl.code128(data), words)
                self.assertEqual(sum(zpl.widths(words)), 11 * len(words) + 13)

    def test_said(self):
        for data, text in ((">:A><B>0C>=", "A^B>C~"), (">;1234>6ab", "1234ab"), ("plain", "plain")):
            self.assertEqual(zpl.said(zpl.code128(data)), text)

    def test_patterns(self):
        self.assertEqual(len(set(zpl.PATTERNS)), 106)
        self.assertTrue(all(sum(map(int, pattern)) == 11 for pattern in zpl.PATTERNS))

    def test_bad(self):
        for data in (">;123", ">;12a4", ">:A>zB", ">:\u00e9", ">9abc"):
            with self.subTest(data), self.assertRaises(zpl.Fault):
                zpl.code128(data)


class Labels(unittest.TestCase):
    def test_good(self):
        label = zpl.read(HEAD + TEXT + "^FH_^FDZo_C3_AB _5E_7E_5F^FS\n" + TAIL)
        self.assertEqual(label.fields, [("text", "Zo\u00eb ^~_")])

    def test_bad(self):
        for body in (
                TEXT + "^FDhouse ^XZ^XA street^FS", TEXT + "^FDhouse ~JA^FS", TEXT + "^FDa^FS^IDR:*.*^FS",
                "^FO39,39^FDneither^FS", TEXT + "^FH_^FD_5^FS", TEXT + "^FH_^FD_0A^FS", TEXT + "^FD" + "W" * 400 + "^FS",
                "^FO10,39^BY3^BCN,200,N,N,N,N^FD>:A^FS", "^FO39,39^BY9^BCN,200,N,N,N,N^FD>:RB123456785PK^FS",
                "^FO39,39^BY3^BCN,2000,N,N,N,N^FD>:A^FS", "^CC/", "^FO39,39^GB800,2,2^FS"):
            with self.subTest(body), self.assertRaises(zpl.Fault):
                zpl.read(HEAD + body + "\n" + TAIL)
        for whole in (HEAD, HEAD + TAIL + "^XA", "x" + HEAD + TAIL, ""):
            with self.subTest(whole), self.assertRaises(zpl.Fault):
                zpl.read(whole)


if __name__ == "__main__":
    unittest.main()
