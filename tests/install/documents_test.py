"""Files installed beside the program: documents whose links work, a manual page, completion in shells."""
import os, pathlib, re, subprocess, tempfile, unittest

BUILD = os.environ["BUILD"]


def slug(heading):
    """The anchor that GitHub gives a heading."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def anchors_of(text):
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose, re.M)} | set(re.findall(r'<a name="([^"]+)"', prose))


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="logitfield-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.share = pathlib.Path(cls.folder.name) / "share"
        for component in ("documents", "program"):
            subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.folder.name, "--component", component], check=True,
                           stdout=subprocess.DEVNULL)

    def test_every_link_leads_somewhere(self):
        found, missing = 0, []
        for page in (self.share / "doc" / "logitfield").rglob("*.md"):
            text = page.read_text()
            for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
                if "://" in link or link.startswith("mailto:"):
                    continue
                found += 1
                name, _, anchor = link.partition("#")
                target = (page.parent / name).resolve() if name else page
                if not target.exists() or (anchor and anchor not in anchors_of(target.read_text())):
                    missing.append(f"{page.name}: {link}")
        self.assertEqual(missing, [])
        self.assertGreater(found, 50)

    def test_the_manual_page_has_exit_codes_files_and_examples(self):
        page = self.share / "man" / "man1" / "logitfield.1"
        if not page.exists():
            self.skipTest("help2man is not installed")
        text = page.read_text()
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", '"EXIT STATUS"', "FILES", "ENVIRONMENT", "EXAMPLES", '"SEE ALSO"'):
            self.assertIn(f".SH {section}\n", text)
        documented = (self.share / "doc" / "logitfield" / "docs" / "run-folder.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
        codes = re.findall(r"^\| (\d\S*) \| \w", documented, re.M)[:5]
        self.assertEqual(codes, re.findall(r"^\.TP\n\.B (\d\S*)$", text, re.M))

    def test_shells_complete(self):
        for shell, path in (("bash", "bash-completion/completions/logitfield"), ("zsh", "zsh/site-functions/_logitfield")):
            made = (self.share / path).read_text()
            self.assertIn(f"Made by: logitfield --completion {shell}", made)
            self.assertIn("--gpus-per-node", made)
        subprocess.run(["bash", "-n", self.share / "bash-completion/completions/logitfield"], check=True)


if __name__ == "__main__":
    unittest.main()
