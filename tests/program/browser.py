"""Pages in a real browser (headless Chromium), without a network. Skipped where Chromium, its driver or Selenium are not installed:
apt-get install chromium chromium-driver python3-selenium."""
import shutil, time, unittest

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
except ImportError:
    MISSING = ["selenium"]


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}")
class Browser(unittest.TestCase):
    def open(self, page, width=1280, theme="light"):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.addCleanup(browser.quit)
        browser.execute_cdp_cmd("Network.enable", {})
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0})
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
        begin = time.monotonic()
        browser.get(page.as_uri())
        self.seconds = time.monotonic() - begin
        return browser

    def text(self, browser, name):
        return browser.find_element(By.ID, name).text

    def assert_no_errors(self, browser):
        self.assertEqual([entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"], [])
