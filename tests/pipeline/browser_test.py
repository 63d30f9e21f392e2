"""The report in a real browser: it opens without errors, and does what its choices say."""
import os, pathlib, shutil, subprocess, tempfile, unittest

try:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    pass  # Browser skips

from browser import Browser
from harness import REPOSITORY, heads, run

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
                self.assertEqual(browser.execute_script("return charts.size"), 8)

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

    def test_twelve_thousand_heads_open_in_two_seconds(self):
        large = self.folder / "large"
        subprocess.run([LARGE_RUN, large, "100", "128"], check=True, timeout=120)
        (large / "journal").unlink()
        self.assertLess((large / "report.html").stat().st_size, 10_000_000)
        browser = self.open(large / "report.html")
        self.assertLess(self.seconds, 2)
        self.assert_no_errors(browser)
        self.assertEqual(browser.execute_script("return map.values.length"), 12_800)


if __name__ == "__main__":
    unittest.main()
