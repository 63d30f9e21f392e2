"""The report in a real browser: it opens without errors, and its controls work."""
import os, pathlib, re, shutil, signal, subprocess, tempfile, unittest

try:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    pass  # Browser skips the tests

from browser import Browser
from harness import FIXTURES, REPOSITORY, heads, overflowing_model, run, small_model, start, table

LARGE_RUN = os.environ["LARGE_RUN"]


class Report(Browser):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-browser-"))
        cls.results = cls.folder / "run"
        made = run("analyze", "--model", sorted((REPOSITORY / "demo" / "checkpoints").iterdir())[-1], "--tokens",
                   *sorted((REPOSITORY / "demo" / "tokens").glob("*.npy")), "--contexts", "64,256", "--scopes", "full,causal", "--null", 2,
                   "--out", cls.results)
        assert made.returncode == 0, made.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def value(self, **place):
        row, = [r for r in heads(self.results) if all(r[key] == str(value) for key, value in place.items())]
        return row

    def test_it_opens_at_every_width_and_in_both_themes(self):
        for width in (1280, 390):
            for theme in ("light", "dark"):
                browser = self.open(self.results / "report.html", width, theme)
                self.assert_no_errors(browser)
                self.assertEqual(self.text(browser, "verdict"), "160 of 160 head measurements certified")
                self.assertLessEqual(browser.execute_script("return document.documentElement.scrollWidth"), width, "nothing sticks out")
                self.assertEqual(browser.execute_script("return document.documentElement.dataset.theme"), theme)
                self.assertEqual(browser.execute_script("return charts.size"), 9)

    def test_choices_and_clicks_show_the_numbers_of_the_tables(self):
        browser = self.open(self.results / "report.html")
        for name, choice in (("statistic", "sigma_max"), ("scope", "causal"), ("context", "64"), ("text", "1")):
            Select(browser.find_element(By.ID, name)).select_by_value(choice)
        canvas = browser.find_element(By.ID, "heatmap")
        geometry = browser.execute_script("return map.geometry")
        box = canvas.rect
        across = geometry["margin"] + 2.5 * geometry["cell"] - box["width"] / 2
        down = 3.5 * geometry["down"] - box["height"] / 2
        ActionChains(browser).move_to_element_with_offset(canvas, int(across), int(down)).perform()
        self.assertTrue(self.text(browser, "cell").startswith("layer 3, head 2: sigma_max "))
        ActionChains(browser).click().perform()
        self.assertEqual(self.text(browser, "head-name"), "Layer 3, head 2")
        shown = float(self.text(browser, "cell").split()[-1])
        measured = float(self.value(scope="causal", context=64, text="tides", layer=3, head=2)["sigma_max"])
        self.assertLessEqual(abs(shown - measured), 1e-3 * measured)
        self.assert_no_errors(browser)

    def test_pointing_at_a_chart_tells_its_numbers(self):
        browser = self.open(self.results / "report.html")
        canvas = browser.find_element(By.ID, "by-layer")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        x, y = browser.execute_script("const p = charts.get('by-layer').getDatasetMeta(0).data[2]; return [p.x, p.y]")
        box = canvas.rect
        ActionChains(browser).move_to_element_with_offset(canvas, int(x - box["width"] / 2), int(y - box["height"] / 2)).perform()
        shown = browser.execute_script("return charts.get('by-layer').tooltip.body.flatMap(b => b.lines)")
        expected = browser.execute_script("return spreadOf(chosenValues().slice(2 * REPORT.heads, 3 * REPORT.heads)).median")
        self.assertAlmostEqual(float(shown[0].split()[-1]), expected, delta=1e-3 * expected)
        self.assert_no_errors(browser)

    def test_token_0_can_be_left_out_of_the_profile(self):
        browser = self.open(self.results / "report.html")
        first = lambda: browser.execute_script("return charts.get('profile').data.datasets[0].data[0]")
        share = float(self.value(scope="full", context=256, text="harbour", layer=0, head=0)["key_first_share"])
        self.assertAlmostEqual(first()["y"], share, delta=1e-6)
        browser.find_element(By.ID, "first-token").click()
        self.assertGreater(first()["x"], 1, "256 tokens have a bin each: that of token 0 is gone")
        self.assert_no_errors(browser)

    def test_medians_are_divided_by_chance(self):
        browser = self.open(self.results / "report.html")
        null, = [r for r in table(self.results / "nulls.csv") if (r["scope"], r["context"]) == ("full", "256")]
        shown = browser.execute_script("const {labels, datasets} = charts.get('by-chance').data; return [labels, datasets[1].data]")
        k90 = dict(zip(*shown))["k90"]
        expected = browser.execute_script("return spreadOf(chosenValues('k90')).median") / float(null["k90"])
        self.assertAlmostEqual(k90, expected, delta=1e-3 * expected)

    def test_failures_come_first_and_are_not_averaged(self):
        made = run("analyze", "--model", overflowing_model(self.folder / "model"), "--tokens", FIXTURES / "qwen2" / "tokens.npy",
                   "--contexts", "96", "--out", self.folder / "failed")
        self.assertEqual(made.returncode, 3, made.stderr)
        browser = self.open(self.folder / "failed" / "report.html")
        self.assertEqual(browser.find_element(By.ID, "verdict").get_attribute("class"), "bad")
        first = browser.find_element(By.CSS_SELECTOR, "#certificate-table tbody tr")
        self.assertEqual(first.get_attribute("class"), "bad")
        self.assertIn("layer 1", first.text)
        undefined = browser.execute_script("return Array.from(chosenValues(), v => Number.isNaN(v))")
        heads_ = browser.execute_script("return REPORT.heads")
        self.assertEqual(undefined, [False] * heads_ + [True] * (len(undefined) - heads_))
        first.find_element(By.TAG_NAME, "button").click()
        self.assertTrue(self.text(browser, "head-name").startswith("Layer 1, head "))
        self.assert_no_errors(browser)

    def test_counts_that_were_not_taken_to_their_end_are_more_than_a_bound(self):
        made = run("analyze", "--model", sorted((REPOSITORY / "demo" / "checkpoints").iterdir())[-1], "--tokens",
                   REPOSITORY / "demo" / "tokens" / "harbour.npy", "--contexts", "128,256", "--scopes", "causal", "--spectrum", "krylov",
                   "--components", 4, "--out", self.folder / "cut")
        self.assertEqual(made.returncode, 0, made.stderr)
        browser = self.open(self.folder / "cut" / "report.html")
        Select(browser.find_element(By.ID, "statistic")).select_by_value("k99")
        self.assertIn("k99 > 4", self.text(browser, "cell"))
        self.assertIn("Median > 4 over 20 heads; 20 of these values are only known to be beyond a bound", self.text(browser, "spread"))
        self.assertNotIn("slope", browser.execute_script("return charts.get('by-context').data.datasets[0].label"))
        self.assert_no_errors(browser)

    def test_a_report_of_files_and_folders_with_any_name(self):
        place = self.folder / "x<"  # whose paths hold </script>
        model = place / "script><b>'\"&amp;<!-- \n\x01\udce9\u00e9"
        model.parent.mkdir()
        shutil.copytree(sorted((REPOSITORY / "demo" / "checkpoints").iterdir())[-1], model)
        text = model / "<i>'\"&lt;\n\x1b\udcff.npy"
        shutil.copy(REPOSITORY / "demo" / "tokens" / "harbour.npy", text)
        out = place / "script>run<i>\udcff"
        made = run("analyze", "--model", model, "--tokens", text, text, "--contexts", "64", "--out", out, "--plots", out.parent / "plots",
                   errors="replace")
        self.assertEqual(made.returncode, 0, made.stderr)
        shown = {"model": "script><b>'\"&amp;<!-- \\x0a\\x01\\xe9\u00e9", "text": "<i>'\"&lt;\\x0a\\x1b\\xff"}
        browser = self.open(out / "report.html")
        self.assert_no_errors(browser)
        self.assertEqual(self.text(browser, "model"), shown["model"])
        self.assertEqual(browser.title, shown["model"] + " - energy field")
        self.assertIn(shown["text"], self.text(browser, "card"))
        self.assertIn("x</" + shown["model"], self.text(browser, "provenance-table"))
        self.assertEqual(browser.execute_script("return document.querySelectorAll('b, i').length"), 0)
        self.assertEqual({row["text"] for row in heads(out)}, {shown["text"], shown["text"] + "-2"})
        for figure in (out.parent / "plots").iterdir():
            browser = self.open(figure)
            self.assertEqual(browser.execute_script("return document.documentElement.tagName"), "svg")
        made = run("compare", out, out, "--out", self.folder / "compared-names", errors="replace")
        self.assertEqual(made.returncode, 0, made.stderr)
        browser = self.open(self.folder / "compared-names" / "comparison.html")
        self.assertIn("script>run<i>\\xff", browser.find_element(By.TAG_NAME, "table").text)
        self.assertEqual(browser.execute_script("return document.querySelectorAll('i').length"), 0)

    def test_a_run_that_was_stopped_says_so_on_top(self):
        browser = self.open(self.results / "report.html")
        self.assertFalse(browser.find_element(By.ID, "incomplete").is_displayed())
        model, out = small_model(self.folder / "stopped-model"), self.folder / "stopped"
        process = start("analyze", "--model", model, "--tokens", *[model / "tokens.json"] * 3, "--contexts", "64,400", "--scopes", "full,causal",
                        "--out", out)
        process.after_units(3, out, lambda: process.signal_rank(0, signal.SIGTERM))
        self.assertEqual(process.wait()[0], 128 + signal.SIGTERM)
        made = run("report", out)
        self.assertEqual(made.returncode, 0, made.stderr)
        measured, planned = re.search(r"incomplete: (\d+) of (\d+) layers", made.stdout).groups()
        for width in (1280, 390):
            browser = self.open(out / "report.html", width)
            self.assert_no_errors(browser)
            note = browser.find_element(By.ID, "incomplete")
            self.assertTrue(note.is_displayed())
            self.assertIn(f"This run is not complete: {measured} of {planned} layers over all texts are measured", note.text)
            self.assertLess(note.rect["y"], browser.find_element(By.ID, "model").rect["y"])
            self.assertLessEqual(browser.execute_script("return document.documentElement.scrollWidth"), width)

    def test_it_is_printed_on_white(self):
        browser = self.open(self.results / "report.html", theme="dark")
        ink = lambda: browser.execute_script("return [document.documentElement.dataset.theme, charts.get('spectrum').options.scales.x.title.color]")
        dark = ink()
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        self.assertEqual(ink(), ["light", "#5a6470"])
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        self.assertEqual(ink(), dark)
        self.assertEqual(dark[0], "dark")

    def test_the_comparison_opens_at_every_width(self):
        made = run("compare", self.results, self.results, "--out", self.folder / "compared")
        self.assertEqual(made.returncode, 0, made.stderr)
        for width in (1280, 390):
            browser = self.open(self.folder / "compared" / "comparison.html", width)
            self.assertLessEqual(browser.execute_script("return document.documentElement.scrollWidth"), width)
            self.assertIn("holds in every run", browser.find_element(By.TAG_NAME, "table").text)
            self.assertEqual(len(browser.find_elements(By.TAG_NAME, "details")), 2, "the shorter context of two scopes")
            self.assert_no_errors(browser)

    def test_it_can_be_used_by_keyboard_alone(self):
        browser = self.open(self.results / "report.html")
        canvas = browser.find_element(By.ID, "heatmap")
        canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
        self.assertEqual(self.text(browser, "head-name"), "Layer 2, head 1")
        Select(browser.find_element(By.ID, "statistic"))
        statistic = browser.find_element(By.ID, "statistic")
        statistic.send_keys("coherence")
        self.assertTrue(self.text(browser, "meaning").startswith("coherence"))
        extreme = browser.find_element(By.CSS_SELECTOR, "#extreme-table button")
        extreme.send_keys(Keys.ENTER)
        self.assertEqual(self.text(browser, "head-name").lower(), extreme.text)
        theme = browser.find_element(By.ID, "theme")
        theme.send_keys(Keys.SPACE)
        self.assertEqual(browser.execute_script("return document.documentElement.dataset.theme"), "dark")
        self.assert_no_errors(browser)

    def test_twelve_thousand_heads_open(self):
        large = self.folder / "large"
        subprocess.run([LARGE_RUN, large, "100", "128"], check=True, timeout=120)
        (large / "journal").unlink()
        self.assertLess((large / "report.html").stat().st_size, 10_000_000)
        browser = self.open(large / "report.html")
        self.assertLess(self.seconds, 20)  # a generous limit: speed is not tested, since machines are shared
        self.assert_no_errors(browser)
        self.assertEqual(browser.execute_script("return map.values.length"), 12_800)


if __name__ == "__main__":
    unittest.main()
