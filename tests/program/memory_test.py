"""If memory is not enough, a message says for which purpose."""
import resource, unittest

from harness import Case, FIXTURES, run, small_model

MIB = 1 << 20


def limited(mib, *arguments):
    return run(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mib * MIB, mib * MIB)))


class Memory(Case):
    def require_sentence(self, result):
        self.assertIn(result.returncode, (1, 2), result.stderr)
        self.assertRegex(result.stderr, "logitfield: error: .*(memory|ulimit)")

    def test_too_many_gaussian_heads(self):
        result = run("analyze", "--model", FIXTURES / "llama", "--tokens", FIXTURES / "llama" / "tokens.npy", "--contexts", "96",
                     "--null", 10**9, "--out", self.folder / "run")
        self.require_sentence(result)
        self.assertIn("1000000000 Gaussian heads", result.stderr)
        self.assertIn("--null", result.stderr)

    def test_addresses_that_do_not_suffice(self):
        model = small_model(self.folder / "model", hidden=512, mlp=2048, vocab=32000)
        arguments = ["analyze", "--model", model, "--tokens", model / "tokens.json", "--contexts", "64,400", "--out"]
        ends = set()
        for number, mib in enumerate(range(350, 950, 100)):
            out = self.folder / f"run{number}"
            with self.subTest(mib=mib):
                result = limited(mib, *arguments, out)
                if result.returncode != 0 and "MPI" not in result.stderr:
                    self.require_sentence(result)
                ends.add(result.returncode)
        self.assertTrue(ends & {1, 2}, "no limit was met")


if __name__ == "__main__":
    unittest.main()
