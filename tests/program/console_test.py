"""Output of the program: standard output that cannot be written, names that would control a terminal, completion in
shells."""
import os, pathlib, pty, re, select, shutil, signal, subprocess, time, unittest

from harness import Case, PROGRAM, heads, run, small_model, start


def shell_words(script, words, at):
    """What bash offers for the word `at` of a command line."""
    lines = [f"source {script}", "compopt() { :; }", f"COMP_WORDS=({' '.join(map(repr, words))})", f"COMP_CWORD={at}", "_logitfield",
             'printf "%s\\n" "${COMPREPLY[@]}"']
    return subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True).stdout.split()


class Console(Case):
    def setUp(self):
        super().setUp()
        self.model = small_model(self.folder / "model")
        self.out = self.folder / "run"

    def arguments(self, command="analyze"):
        out = ["--out", self.out] if command == "analyze" else []
        return [command, "--model", self.model, "--tokens", self.model / "tokens.json", "--contexts", 64, *out]

    def run_into(self, output, *arguments, **others):
        return subprocess.run([PROGRAM, *map(str, arguments)], stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, **others)

    def test_standard_output_that_cannot_be_written_is_an_error(self):
        self.succeed(*self.arguments())
        for arguments in (["--help"], ["--completion", "bash"], self.arguments("plan"), ["report", self.out],
                          ["validate", "--model", self.model], ["compare", self.out, self.out]):
            with self.subTest(arguments[0]), open("/dev/full", "w") as full:
                done = self.run_into(full, *arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stderr.count("logitfield: error: standard output: cannot write: No space left"), 1, done.stderr)

    def test_results_are_written_whatever_becomes_of_standard_output(self):
        reader, writer = os.pipe()
        os.close(reader)
        for i, (output, reason) in enumerate(((writer, "Broken pipe"), (None, "Bad file descriptor"))):
            self.out = self.folder / f"run{i}"
            close = (lambda: os.close(1)) if output is None else None
            done = self.run_into(output, *self.arguments(), preexec_fn=close)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"standard output: cannot write: {reason}", done.stderr)
            self.assertEqual(len(heads(self.out)), 5 * 8)
            self.succeed("validate", self.out)  # the journal holds nothing that was meant for standard output
        os.close(writer)

    def test_standard_error_that_cannot_be_written_stops_nothing(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, *map(str, self.arguments())], stdout=subprocess.PIPE, stderr=full, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(heads(self.out)), 5 * 8)

    def test_names_command_no_terminal(self):
        name = "\x1b]0;title\x07 \u009b31m \udce9\udc9b"
        folder = self.folder / name
        folder.mkdir()
        model, text = folder / name, folder / f"{name}.json"
        shutil.copytree(self.model, model)
        shutil.copy(self.model / "tokens.json", text)
        out = folder / "run"
        for arguments in (["plan", "--model", model, "--tokens", text], ["validate", "--model", model],
                          ["analyze", "--model", model, "--tokens", text, "--contexts", 64, "--out", out, "--plots", folder / "plots"],
                          ["report", out], ["validate", out], ["compare", out, out, "--out", folder / "compared"],
                          ["compare", "--scaling", out, "--out", folder / "scaled"], ["analyze", "--model", folder / "none", "--out", out],
                          ["monitor", "--checkpoints", folder, "--step-pattern", "(31)m", "--tokens", text, "--contexts", 64,
                           "--out", folder / "monitor"]):
            with self.subTest(arguments[0]):
                done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, timeout=60)
                self.assertIn(done.returncode, (0, 2), done.stderr)
                if "none" not in str(arguments):
                    self.assertEqual(done.returncode, 0, done.stderr)
                for said in (done.stdout, done.stderr):
                    self.assertNotRegex(said.decode(), r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_hangup_saves_as_other_signals_do(self):
        for ranks in (1, 2):
            shutil.rmtree(self.out, ignore_errors=True)
            process = start(*self.arguments(), "--scopes", "full,causal", ranks=ranks)
            process.after_units(1, self.out, lambda: process.signal_rank(ranks - 1, signal.SIGHUP))
            code, errors = process.wait()
            self.assertEqual(code, 128 + signal.SIGHUP, errors)
            self.assertIn("stopped by signal 1 (HUP)", errors)
        self.succeed(*self.arguments(), "--scopes", "full,causal", "--resume")

    def test_nohup_ignores_it(self):
        ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
        process = subprocess.Popen([PROGRAM, *map(str, self.arguments())], stdout=subprocess.DEVNULL, preexec_fn=ignore)
        while process.poll() is None:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        self.assertEqual(process.returncode, 0)

    def test_ranks_have_the_programs_name(self):
        process = subprocess.Popen([PROGRAM, "monitor", "--checkpoints", self.folder, "--follow", "--tokens", self.model / "tokens.json",
                                    "--out", self.out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (self.out / "monitor.json").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        name = pathlib.Path(f"/proc/{process.pid}/comm").read_text()
        process.terminate()
        process.wait()
        self.assertEqual(name, "logitfield\n")


class Completion(Case):
    def script(self, shell):
        path = self.folder / f"logitfield.{shell}"
        path.write_text(self.succeed("--completion", shell).stdout)
        return path

    def test_bash_offers_commands_options_and_values(self):
        script = self.script("bash")
        offers = lambda *words: shell_words(script, ["logitfield", *words], len(words))
        self.assertEqual(offers("an"), ["analyze"])
        self.assertIn("--version", offers("--"))
        commands = re.findall(r"^  (\w+)", self.succeed("--help").stdout.split("Subcommands:")[1], re.M)
        self.assertEqual([word for word in offers("") if not word.startswith("-")], commands)
        for command in commands:
            options = set(re.findall(r"^ +(?:-h,)?(--[\w-]+)", self.succeed(command, "--help").stdout, re.M))
            self.assertLessEqual(options, set(offers(command, "-")), command)
        self.assertEqual(offers("plan", "--gpus"), ["--gpus-per-node"])
        self.assertEqual(offers("analyze", "--backend", ""), ["auto", "cpu", "cuda"])
        self.assertEqual(offers("analyze", "--backend", "=", "c"), ["cpu", "cuda"])
        self.assertEqual(offers("analyze", "--scopes", "full", "causal-u"), ["causal-unwindowed"])
        self.assertEqual(offers("analyze", "--scopes", "full,causal-u"), ["full,causal-unwindowed"])
        self.assertIn("--model", offers("analyze", "--backend", "cpu", ""), "the option has its value")
        self.assertIn("--model", offers("analyze", "--resume", ""), "it takes none")
        for files in (("analyze", "--model", ""), ("analyze", "--tokens", "a", "b"), ("report", ""), ("analyze", "--seed", "")):
            self.assertEqual(offers(*files), [], files)

    def test_zsh_offers_commands_options_and_values(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not installed")
        self.script("zsh").rename(self.folder / "_logitfield")
        for typed, expected in (("logitfield ana", "logitfield analyze"), ("logitfield plan --gpus", "--gpus-per-node"),
                                ("logitfield analyze --backend cu", "cuda"), ("logitfield analyze --scopes full --resu", "--resume"),
                                ("logitfield analyze --tokens a b --skip", "--skip-short")):
            with self.subTest(typed):
                self.assertIn(expected, self.typed_into_zsh(typed + "\t\x01echo '\n"))

    def typed_into_zsh(self, keys):
        """What a terminal shows for these keys."""
        ours, its = pty.openpty()
        shell = subprocess.Popen(["zsh", "-f", "-i"], stdin=its, stdout=its, stderr=its, start_new_session=True,
                                 env=os.environ | {"TERM": "dumb", "HOME": str(self.folder)})
        os.close(its)
        self.addCleanup(os.close, ours)

        def shown_until(done, deadline=time.monotonic() + 20):
            shown = ""
            while not done(shown) and time.monotonic() < deadline:
                if select.select([ours], [], [], 0.1)[0]:
                    shown += os.read(ours, 4096).decode(errors="replace")
            return shown

        os.write(ours, f"fpath=({self.folder} $fpath); autoload -U compinit; compinit -u -D; echo re''ady\n".encode())
        shown_until(lambda shown: "ready" in shown)
        os.write(ours, keys.encode())
        shown = shown_until(lambda shown: "quote>" in shown)
        shell.kill()
        shell.wait()
        return shown


if __name__ == "__main__":
    unittest.main()
