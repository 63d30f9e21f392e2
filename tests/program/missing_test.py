"""Censored counts: marked as such in every table, and never left out of a median."""
import json, statistics, unittest

from drawn_captures import gaussian, write_capture
from harness import Case, heads, number, table

LENGTH, WIDTH = 130, 6
COMPONENTS = 8
COUNTS = ("k50", "k90", "k95", "k99")


def queries(layer, head):
    """Queries; those of every third head have nearly one component."""
    rows = gaussian(LENGTH, WIDTH, f"q {layer} {head}")
    return [[row[0], *(0.01 * x for x in row[1:])] for row in rows] if head == 0 else rows


class Missing(Case):
    def setUp(self):
        super().setUp()
        capture = write_capture(self.folder / "capture", queries, lambda layer, head: gaussian(LENGTH, WIDTH, f"k {layer} {head}"))
        options = ["--contexts", "67,130", "--scopes", "causal"]
        self.exact, self.cut = self.folder / "exact", self.folder / "cut"
        self.succeed("analyze", "--capture", capture, *options, "--spectrum", "dense", "--out", self.exact)
        self.shown = self.succeed("analyze", "--capture", capture, *options, "--spectrum", "krylov", "--components", COMPONENTS,
                                  "--out", self.cut, "--plots", self.folder / "plots").stdout

    def medians(self, run, statistic):
        return {f["context"]: f["model"]["statistics"][statistic] for f in json.loads((run / "summary.json").read_text())["fields"]}

    def test_tables_have_empty_cells_and_say_more_than_what(self):
        exact = {(r["context"], r["layer"], r["head"]): r for r in heads(self.exact)}
        missing = 0
        for row in heads(self.cut):
            self.assertFalse({"-1", "nan"} & set(row.values()), row)
            truth = exact[row["context"], row["layer"], row["head"]]
            for name in COUNTS:
                if row[name]:
                    self.assertEqual(row[name], truth[name])
                    continue
                missing += 1
                self.assertEqual(row["k_more_than"], row["components"])
                self.assertGreater(int(truth[name]), int(row["k_more_than"]))
        self.assertGreater(missing, 10, "the test must have something to miss")

    def test_a_median_is_right_or_more_than_what_is_known(self):
        more = 0
        for name in COUNTS:
            known, truth = self.medians(self.cut, name), self.medians(self.exact, name)
            for context in (67, 130):
                if "median" in known[context]:
                    self.assertEqual(known[context]["median"], truth[context]["median"], name)
                else:
                    more += 1
                    self.assertGreater(truth[context]["median"], known[context]["median_more_than"])
                    self.assertGreater(known[context]["censored"], 0)
                self.assertEqual("mean" in known[context], "censored" not in known[context])
                self.assertEqual(known[context]["count"], 8, "no head is left out")
        self.assertGreater(more, 2, "the test must have something to miss")
        self.assertIn(f"> {COMPONENTS}", self.shown)

    def test_comparisons_have_no_slope_of_what_is_not_known(self):
        self.succeed("compare", self.cut, "--out", self.folder / "compared")
        rows = {(r["statistic"], r["context"]): r for r in table(self.folder / "compared" / "comparison.csv")}
        k99 = rows["k99", "130"]
        self.assertEqual((k99["median"], k99["context_slope"], k99["heads"]), ("", "", "8"))
        self.assertGreaterEqual(number(k99["median_more_than"]), COMPONENTS)
        self.assertEqual(rows["stable_rank", "130"]["median_more_than"], "")
        self.assertTrue(number(rows["stable_rank", "130"]["context_slope"]) == number(rows["stable_rank", "130"]["context_slope"]))
        page = (self.folder / "compared" / "comparison.html").read_text()
        self.assertIn(f"> {COMPONENTS}", page)
        few, = [r for r in table(self.folder / "compared" / "regularities.csv") if r["regularity"].startswith("few components")]
        self.assertEqual(few["value"] == "", few["value_more_than"] != "")

    def test_figures_say_more_than(self):
        self.assertIn(f"> {COMPONENTS}", (self.folder / "plots" / "heads_causal_k99.svg").read_text())
        self.assertIn(f"median k90 > {COMPONENTS}" if "median" not in self.medians(self.cut, "k90")[130] else "median k90 = ",
                      (self.folder / "plots" / "cumulative_causal.svg").read_text())


if __name__ == "__main__":
    unittest.main()
