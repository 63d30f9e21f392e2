"""The figures of --plots: well-formed, complete, and their marks are the numbers of the tables."""
import pathlib, re, statistics, unittest, xml.etree.ElementTree as xml

from harness import Case, FIXTURES, REPOSITORY, heads, overflowing_model, run, table

CHECKPOINT = sorted((REPOSITORY / "demo" / "checkpoints").iterdir())[-1]
TOKENS = sorted((REPOSITORY / "demo" / "tokens").glob("*.npy"))
SVG = "{http://www.w3.org/2000/svg}"


def titles(picture, element):
    """What the marks of a kind say of themselves."""
    return [mark.find(SVG + "title").text for mark in picture.iter(SVG + element) if mark.find(SVG + "title") is not None]


class Figures(Case):
    def setUp(self):
        super().setUp()
        self.run_folder, self.plots = self.folder / "run", self.folder / "plots"
        shown = self.succeed("analyze", "--model", CHECKPOINT, "--tokens", *TOKENS, "--contexts", "64,128,256", "--scopes", "full,causal",
                             "--null", 2, "--out", self.run_folder, "--plots", self.plots).stdout
        self.pictures = {path.stem: xml.parse(path).getroot() for path in self.plots.iterdir()}
        self.assertIn(f"{len(self.pictures)} figures: {self.plots}", shown)
        self.rows = heads(self.run_folder)

    def medians(self, statistic, scope="full", context="256"):
        """Values by (layer, head), over texts."""
        out = {}
        for row in self.rows:
            if (row["scope"], row["context"]) == (scope, context):
                out.setdefault((row["layer"], row["head"]), []).append(float(row[statistic]))
        return {place: statistics.median(values) for place, values in out.items()}

    def values(self, statistic, context):
        return [float(r[statistic]) for r in self.rows if (r["scope"], r["context"]) == ("full", context)]

    def test_all_are_there_and_fit_a_column_or_a_page(self):
        for scope in ("full", "causal"):
            for name in ("learned", "spectra", "cumulative", "positions", "contexts", "chance", "heads"):
                self.assertIn(f"{name}_{scope}_coherence" if name == "heads" else f"{name}_{scope}", self.pictures)
        for name, picture in self.pictures.items():
            self.assertEqual(picture.tag, SVG + "svg")
            self.assertIn(picture.get("width"), ("510.0pt",) if name.startswith("contexts") else ("241.0pt",), name)
            width, height = map(float, picture.get("viewBox").split()[2:])
            for text in picture.iter(SVG + "text"):
                self.assertTrue(0 <= float(text.get("x")) <= width and 0 <= float(text.get("y")) <= height, f"{name}: {text.text}")
            self.assertNotRegex((self.plots / f"{name}.svg").read_text(), r"\bnan\b|\binf\b", name)

    def test_maps_show_the_median_of_every_head(self):
        for statistic in ("k90", "sigma_max", "key_first_share"):
            marks = titles(self.pictures[f"heads_full_{statistic}"], "rect")
            shown = {tuple(re.match(r"layer (\d+), head (\d+): ", m).groups()): float(m.split()[-1]) for m in marks}
            expected = self.medians(statistic)
            self.assertEqual(shown.keys(), expected.keys())
            for place, value in expected.items():
                self.assertAlmostEqual(shown[place], value, delta=1e-5 * abs(value))
        colours = {m.get("fill") for m in self.pictures["heads_full_k90"].iter(SVG + "rect") if m.find(SVG + "title") is not None}
        self.assertGreaterEqual(colours, {"#440154", "#fde725"}, "the least and the largest")

    def test_learned_against_field_has_a_point_for_every_head(self):
        field, learned = self.medians("k90"), self.medians("learned_k90")
        expected = sorted(f"layer {l}, head {h}: {learned[l, h]:g}, {field[l, h]:g}" for l, h in field)
        self.assertEqual(sorted(titles(self.pictures["learned_full"], "circle")), expected)

    def test_curves_are_marked_with_bound_and_k90(self):
        texts = lambda name: [t.text for t in self.pictures[name].iter(SVG + "text")]
        self.assertIn("rank bound 32", texts("spectra_full"))
        self.assertIn("rank bound 255", texts("spectra_causal"))
        self.assertIn(f"90 %: median k90 = {statistics.median(self.values('k90', '256')):g}", texts("cumulative_full"))
        curve, = [p for p in self.pictures["spectra_full"].iter(SVG + "polyline")]
        self.assertEqual(len(curve.get("points").split()), 32)

    def test_contexts_and_chance_show_medians_of_the_tables(self):
        marks = [float(t) for t in titles(self.pictures["contexts_full"], "circle")]
        self.assertEqual(len(marks), 9 * 3)
        for mark, context in zip(marks, ("64", "128", "256")):  # k90 is the first panel
            self.assertEqual(mark, statistics.median(self.values("k90", context)))
        null, = [r for r in table(self.run_folder / "nulls.csv") if (r["scope"], r["context"]) == ("full", "256")]
        expected = f"{statistics.median(self.values('stable_rank', '256')):.6g} / {float(null['stable_rank']):.6g}"
        self.assertIn(expected, titles(self.pictures["chance_full"], "circle"))
        named = {t.text for t in self.pictures["chance_full"].iter(SVG + "text")}
        self.assertFalse(named & {"sigma_max", "energy", "max_logit", "attention_entropy", "sink_first", "key_argmax"}, "not of one scale")

    def test_they_come_again_byte_for_byte(self):
        again = self.folder / "again"
        self.succeed("report", self.run_folder, "--plots", again)
        self.assertEqual(sorted(p.name for p in again.iterdir()), sorted(p.name for p in self.plots.iterdir()))
        for path in again.iterdir():
            self.assertEqual(path.read_bytes(), (self.plots / path.name).read_bytes(), path.name)

    def test_a_folder_that_cannot_be_is_refused(self):
        (self.folder / "file").write_text("")
        self.refuse(["report", self.run_folder, "--plots", self.folder / "file"], "file")


class Failed(Case):
    def test_heads_without_a_certificate_are_grey(self):
        result = run("analyze", "--model", overflowing_model(self.folder / "model"), "--tokens", FIXTURES / "qwen2" / "tokens.npy",
                     "--contexts", "96", "--out", self.folder / "run", "--plots", self.folder / "plots")
        self.assertEqual(result.returncode, 3, result.stderr)
        picture = xml.parse(self.folder / "plots" / "heads_full_k90.svg").getroot()
        fills = {(mark.find(SVG + "title").text.split(",")[0], mark.get("fill")) for mark in picture.iter(SVG + "rect")
                 if mark.find(SVG + "title") is not None}
        self.assertEqual({layer for layer, fill in fills if fill == "#d5dae0"}, {"layer 1", "layer 2"})
        self.assertNotIn(("layer 0", "#d5dae0"), fills)


class Captures(Case):
    def test_what_was_not_measured_is_left_out(self):
        self.succeed("analyze", "--capture", FIXTURES / "llama" / "reference", "--contexts", "64", "--out", self.folder / "run", "--plots",
                     self.folder / "plots")
        names = {path.stem for path in (self.folder / "plots").iterdir()}
        self.assertIn("spectra_full", names)
        self.assertFalse(names & {"learned_full", "contexts_full", "chance_full", "heads_full_learned_k90"})


if __name__ == "__main__":
    unittest.main()
