"""Runs of the models in tests/fixtures, for the tests of what a model gives beside a capture."""
from drawn_captures import SCOPES
from harness import FIXTURES, Case, heads


class ModelRuns(Case):
    def analyze(self, name, *more, fixture="qwen2", ranks=1, tokens=None, contexts="32,96"):
        model, out = FIXTURES / fixture, self.folder / name
        self.succeed("analyze", "--model", model, "--tokens", *(tokens or [model / "tokens.npy"]), "--contexts", contexts,
                     "--scopes", SCOPES, *more, "--out", out, ranks=ranks)
        return heads(out)
