"""The page of a monitor in a real browser: it opens without errors, and shows the numbers of the tables."""
import json, pathlib, shutil, tempfile, unittest

try:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    pass  # Browser skips the tests

from browser import Browser
from harness import REPOSITORY, run, table


class MonitorPage(Browser):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-browser-"))
        cls.out = cls.folder / "training"
        made = run("monitor", "--checkpoints", REPOSITORY / "demo" / "checkpoints", "--tokens",
                   *sorted((REPOSITORY / "demo" / "tokens").glob("*.npy")), "--contexts", "128", "--alert-max-logit", "15", "--out", cls.out)
        assert made.returncode == 3, made.stderr
        cls.alerts = [json.loads(line) for line in (cls.out / "alerts.jsonl").read_text().splitlines()]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def value(self, statistic, **place):
        row, = [r for r in table(self.out / "series.csv") if all(r[key] == str(value) for key, value in place.items())]
        return float(row[statistic])

    def test_it_opens_at_every_width_and_in_both_themes(self):
        for width in (1280, 390):
            for theme in ("light", "dark"):
                browser = self.open(self.out / "monitor.html", width, theme)
                self.assert_no_errors(browser)
                self.assertEqual(self.text(browser, "verdict"), f"12 checkpoints, step 0 to 6000: {len(self.alerts)} alerts")
                self.assertLessEqual(browser.execute_script("return document.documentElement.scrollWidth"), width, "nothing sticks out")
                self.assertEqual(browser.execute_script("return document.documentElement.dataset.theme"), theme)
                self.assertEqual(browser.execute_script("return charts.size"), 2)
                self.assertIn("This program chose all thresholds", self.text(browser, "thresholds"))

    def test_choices_and_keys_show_the_numbers_of_the_tables(self):
        browser = self.open(self.out / "monitor.html")
        Select(browser.find_element(By.ID, "statistic")).select_by_value("effective_rank")
        Select(browser.find_element(By.ID, "step")).select_by_value("256")
        canvas = browser.find_element(By.ID, "heatmap")
        browser.execute_script("map.choose({layer: 1, head: 1})")
        canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
        shown = self.text(browser, "cell")
        self.assertTrue(shown.startswith("layer 2, head 2, step 256: effective_rank "), shown)
        measured = self.value("effective_rank", step=256, layer=2, head=2)
        self.assertLessEqual(abs(float(shown.split()[-1]) - measured), 1e-3 * measured)
        series = browser.execute_script("return charts.get('by-step').data.datasets[0].data.map(p => p.y)")
        for step, value in zip((0, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 6000), series, strict=True):
            measured = self.value("effective_rank", step=step, layer=2, head=2)
            self.assertLessEqual(abs(value - measured), 1e-3 * measured)
        self.assert_no_errors(browser)

    def test_an_alert_leads_to_its_head_step_and_statistic(self):
        browser = self.open(self.out / "monitor.html")
        buttons = browser.find_elements(By.CSS_SELECTOR, "#alert-table button")
        self.assertEqual(len(buttons), len(self.alerts))
        alert = self.alerts[-1]
        buttons[-1].send_keys(Keys.ENTER)
        self.assertTrue(self.text(browser, "cell").startswith(
            f"layer {alert['layer']}, head {alert['head']}, step {alert['step']}: {alert['statistic']} "), self.text(browser, "cell"))
        self.assertIn("alert", browser.execute_script("return charts.get('by-step').data.datasets.map(d => d.label)"))
        self.assert_no_errors(browser)

    def test_a_point_of_the_timeline_chooses_its_checkpoint(self):
        browser = self.open(self.out / "monitor.html")
        x, y = browser.execute_script("const p = charts.get('by-step').getDatasetMeta(1).data[3]; return [p.x, p.y]")
        canvas = browser.find_element(By.ID, "by-step")
        box = canvas.rect
        ActionChains(browser).move_to_element_with_offset(canvas, int(x - box["width"] / 2), int(y - box["height"] / 2)).click().perform()
        self.assertEqual(self.text(browser, "map-title"), "Every head at step 32")

    def test_links_lead_to_the_runs_of_the_checkpoints(self):
        browser = self.open(self.out / "monitor.html")
        links = [a.get_attribute("href") for a in browser.find_elements(By.CSS_SELECTOR, "#checkpoint-table a")]
        self.assertEqual(len(links), 12)
        for link in links:
            self.assertTrue(pathlib.Path(link.removeprefix("file://")).is_file(), link)


if __name__ == "__main__":
    unittest.main()
