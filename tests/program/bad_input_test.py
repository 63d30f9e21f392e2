"""Bad input of every kind gives one error that names the cause, exit code 2 and no files."""
import json, os, pathlib, shutil, struct, subprocess, time, unittest

from harness import (Case, FIXTURES, heads, read_safetensors, run, write_raw_safetensors, write_safetensors)

FILE = "model.safetensors"
NORM = "model.norm.weight"


class BadModel(Case):
    """Each test makes one change to a valid checkpoint."""

    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        shutil.copytree(FIXTURES / "qwen2", self.model)
        self.tensors = read_safetensors(self.model / FILE)
        self.out = self.folder / "out"

    def arguments(self):
        return ["analyze", "--model", self.model, "--tokens", self.model / "tokens.npy", "--contexts", "32", "--out", self.out]

    def expect_refusal(self, *named, ranks=1):
        self.refuse(self.arguments(), *named, ranks=ranks)
        self.assertFalse(self.out.exists(), "something was written")

    def write_header(self, header, data=b"\0" * 64, **kwargs):
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        write_raw_safetensors(self.model / FILE, raw, data, **kwargs)

    def entry(self, begin, end, shape=(16,), dtype="F32"):
        return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}

    def test_the_unchanged_model_is_accepted(self):
        self.succeed(*self.arguments())

    def test_header_length(self):
        for length in (1 << 20, 100_000_001, (1 << 64) - 1):
            with self.subTest(length=length):
                self.write_header({}, length=length)
                self.expect_refusal(self.model / FILE, "header")

    def test_header_that_is_not_json(self):
        for header in (b"not json at all", b"[1, 2]", b'{"a": ', b'\xff\xfe{}'):
            with self.subTest(header=header):
                self.write_header(header)
                self.expect_refusal(self.model / FILE)

    def test_offsets(self):
        cases = {
            "overlap": {"a": self.entry(0, 64), NORM: self.entry(32, 96)},
            "hole": {"a": self.entry(0, 64), NORM: self.entry(72, 136)},
            "past the end": {"a": self.entry(0, 64), NORM: self.entry(64, 1 << 40, shape=((1 << 38) - 16,))},
            "reversed": {"a": self.entry(64, 0)},
            "overflow": {"a": self.entry(0, 64, shape=(1 << 62, 1 << 62, 16))},
            "negative": {"a": self.entry(-64, 0)},
        }
        for name, header in cases.items():
            with self.subTest(name):
                self.write_header(header, b"\0" * 128)
                self.expect_refusal(self.model / FILE, '"a"' if len(header) == 1 else NORM)

    def test_shape_times_type_is_not_the_bytes(self):
        self.write_header({"a": self.entry(0, 64, shape=(17,))})
        self.expect_refusal(self.model / FILE, "a", "17")

    def test_duplicate_tensor(self):
        one = json.dumps(self.entry(0, 64))
        self.write_header(f'{{"twice": {one}, "twice": {one}}}'.encode())
        self.expect_refusal(self.model / FILE, "twice")

    def test_missing_tensor(self):
        del self.tensors["model.layers.1.self_attn.k_proj.weight"]
        write_safetensors(self.model / FILE, self.tensors)
        self.expect_refusal(self.model, "model.layers.1.self_attn.k_proj.weight")

    def test_shape_that_contradicts_the_config(self):
        dtype, shape, raw = self.tensors[NORM]
        self.tensors[NORM] = (dtype, [shape[0] // 2, 2], raw)
        write_safetensors(self.model / FILE, self.tensors)
        self.expect_refusal(FILE, NORM, "config.json")

    def test_weights_of_another_type(self):
        dtype, shape, raw = self.tensors[NORM]
        self.tensors[NORM] = ("I32", shape, raw)
        write_safetensors(self.model / FILE, self.tensors)
        self.expect_refusal(FILE, NORM, "I32")

    def test_nan_and_infinity_anywhere(self):
        name = "model.layers.2.mlp.up_proj.weight"
        for value in (float("nan"), float("inf"), float("-inf")):
            with self.subTest(value=value):
                dtype, shape, raw = read_safetensors(FIXTURES / "qwen2" / FILE)[name]
                self.tensors[name] = (dtype, shape, raw[:400] + struct.pack("<f", value) + raw[404:])
                write_safetensors(self.model / FILE, self.tensors)
                self.expect_refusal(self.model / FILE, name, "inf" if value == value else "nan", ranks=2)

    def test_truncated_file(self):
        raw = (self.model / FILE).read_bytes()
        for size in (0, 7, 100, len(raw) - 1):
            with self.subTest(size=size):
                (self.model / FILE).write_bytes(raw[:size])
                self.expect_refusal(self.model / FILE)

    def edit_config(self, **changes):
        path = self.model / "config.json"
        config = json.loads((FIXTURES / "qwen2" / "config.json").read_text())
        config.update(changes)
        path.write_text(json.dumps({k: v for k, v in config.items() if v != "remove"}))

    def test_config(self):
        for changes, named in [({"model_type": "rwkv"}, ("rwkv", "llama", "mistral", "qwen2")),
                               ({"num_key_value_heads": 4}, ("num_key_value_heads",)),
                               ({"hidden_size": -4}, ("hidden_size", "-4")),
                               ({"num_hidden_layers": "three"}, ("num_hidden_layers",)),
                               ({"hidden_size": "remove"}, ("hidden_size",)),
                               ({"hidden_act": "mish"}, ("hidden_act", "mish")),
                               ({"rope_parameters": {"rope_type": "proportional", "factor": 4}}, ("rope_type", "proportional")),
                               ({"quantization_config": {"bits": 4}}, ("quantization_config",)),
                               ({"use_sliding_window": True}, ("sliding_window",)),
                               ({"attention_multiplier": 0.5}, ("attention_multiplier", "0.5"))]:
            with self.subTest(**changes):
                self.edit_config(**changes)
                self.expect_refusal(self.model / "config.json", *named)
        (self.model / "config.json").write_text("{")
        self.expect_refusal(self.model / "config.json")

    def test_no_folder_and_empty_folder(self):
        shutil.rmtree(self.model)
        self.expect_refusal(self.model)

    def test_index(self):
        shutil.rmtree(self.model)
        shutil.copytree(FIXTURES / "llama", self.model)
        path = self.model / "model.safetensors.index.json"
        sound = json.loads(path.read_text())
        for value, named in [("gone.safetensors", "gone.safetensors"), ("../outside.safetensors", "../outside"),
                             ("/etc/passwd", "/etc/passwd"), (7, NORM)]:
            with self.subTest(value=value):
                path.write_text(json.dumps({"weight_map": {**sound["weight_map"], NORM: value}}))
                self.expect_refusal(path, named)


class BadText(Case):
    def setUp(self):
        super().setUp()
        self.model, self.out = FIXTURES / "qwen2", self.folder / "out"

    def expect_refusal(self, tokens, *named, contexts=None):
        contexts = ["--contexts", contexts] if contexts else []
        self.refuse(["analyze", "--model", self.model, "--tokens", tokens, *contexts, "--out", self.out], *named)
        self.assertFalse(self.out.exists())

    def write(self, content, name="text.json"):
        path = self.folder / name
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(json.dumps(content))
        return path

    def test_token_ids_out_of_range(self):
        for bad in (-1, 1000, 1 << 40):
            path = self.write([5] * 40 + [bad])
            self.expect_refusal(path, path, bad, "40")

    def test_files_that_are_no_tokens(self):
        for content, name in [([], "a.json"), ([1, 2.5], "b.json"), ({"a": 1}, "c.json"), (b"{", "d.json"), (b"junk", "e.npy"),
                              (b"\x93NUMPY\x01\x00", "f.npy"), (b"1 2 3", "g.txt")]:
            with self.subTest(name):
                path = self.write(content, name)
                self.expect_refusal(path, path)
        self.expect_refusal(self.folder / "none.json", self.folder / "none.json")

    def test_contexts(self):
        path = self.write([5] * 50)
        self.expect_refusal(path, "64", "'text' has 50 tokens", contexts="32,64")
        self.expect_refusal(self.write([5] * 5000), "max_position_embeddings", contexts="4096")


class BadOutput(Case):
    def setUp(self):
        super().setUp()
        self.arguments = ["analyze", "--capture", FIXTURES / "llama" / "reference", "--contexts", "32", "--out"]

    def test_a_folder_that_exists_is_left_alone(self):
        (self.folder / "mine").write_text("precious")
        self.refuse([*self.arguments, self.folder], self.folder, "exists")
        self.assertEqual((self.folder / "mine").read_text(), "precious")

    def test_a_parent_that_is_a_file(self):
        (self.folder / "file").write_text("")
        self.refuse([*self.arguments, self.folder / "file" / "run"], self.folder / "file")

    def test_a_folder_that_cannot_be_written(self):
        if os.geteuid() == 0:
            self.refuse([*self.arguments, "/proc/run"], "/proc")
        else:
            self.folder.chmod(0o500)
            self.refuse([*self.arguments, self.folder / "run"], self.folder)

    def small_disk(self, size):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("needs the right to mount a small tmpfs")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], capture_output=True)
        return disk

    def test_a_disk_too_small_is_refused_before_the_run(self):
        disk = self.small_disk("64k")
        self.refuse([*self.arguments, disk / "run"], disk, "free")
        self.assertEqual(list(disk.iterdir()), [])

    def test_a_disk_that_fills_up_during_the_run_loses_nothing_finished(self):
        disk = self.small_disk("24m")
        # The disk fills up during the run: another writer takes the remaining space once the run has begun.
        out = disk / "run"
        tokens = self.folder / "tokens.json"
        tokens.write_text(json.dumps([i % 97 for i in range(96)]))
        command = ["analyze", "--model", FIXTURES / "llama", "--tokens", *([tokens] * 12), "--contexts", "24,48,96", "--out", out]
        with subprocess.Popen([os.environ["LOGITFIELD"], *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            while not (out / "journal").exists() and process.poll() is None:
                time.sleep(0.001)
            with open(disk / "filler", "wb", buffering=0) as filler:
                try:
                    while True:
                        filler.write(b"x" * 4096)
                except OSError:
                    pass
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2, errors)
        self.assertIn("disk is full", errors)
        (disk / "filler").unlink()
        self.assertEqual([p.name for p in out.iterdir() if p.name.endswith(".tmp")], [])
        report = run("report", out)
        self.assertIn(report.returncode, (0, 2), report.stderr)  # 2: no layer was finished
        if report.returncode == 0:
            self.assertTrue(heads(out))


class BadCapture(Case):
    def setUp(self):
        super().setUp()
        self.capture, self.out = self.folder / "capture", self.folder / "out"
        shutil.copytree(FIXTURES / "qwen2" / "reference", self.capture)

    def expect_refusal(self, *named):
        self.refuse(["analyze", "--capture", self.capture, "--contexts", "32", "--out", self.out], *named)
        self.assertFalse(self.out.exists())

    def test_info(self):
        path = self.capture / "capture.json"
        sound = json.loads(path.read_text())
        for key, value in [("format", "other"), ("version", 2), ("num_heads", 5), ("scale", 0), ("scale", "big"), ("causal", False),
                           ("position_encoding_applied", False), ("num_tokens", 0)]:
            with self.subTest(key=key, value=value):
                path.write_text(json.dumps({**sound, key: value}))
                self.expect_refusal(path, key)

    def test_layers(self):
        path = self.capture / "layer_001.safetensors"
        tensors = read_safetensors(path)
        dtype, shape, raw = tensors["k"]
        tensors["k"] = (dtype, shape, raw[:-4] + struct.pack("<f", float("nan")))
        write_safetensors(path, tensors)
        self.expect_refusal(path, '"k"', "nan")
        tensors["k"] = (dtype, shape[::-1], raw)
        write_safetensors(path, tensors)
        self.expect_refusal(path, '"k"')
        path.unlink()
        self.expect_refusal(path)


class BadRank(Case):
    def test_one_ranks_exception_ends_all_ranks(self):
        for failing in (0, 2):
            for kind, code, text in [("input", 2, "some.file: this rank's file is broken"), ("other", 1, "this rank's arithmetic is broken")]:
                with self.subTest(rank=failing, kind=kind):
                    start = time.monotonic()
                    result = run(failing, kind, ranks=3, program=os.environ["FAILING_RANK"])
                    self.assertLess(time.monotonic() - start, 10)
                    self.assertEqual(result.returncode, code)
                    self.assertIn(text, result.stderr)
                    self.assertIn(f"rank {failing} on", result.stderr)

    def test_no_gpu(self):
        message = self.refuse(["analyze", "--capture", FIXTURES / "llama" / "reference", "--backend", "cuda", "--out", self.folder / "x"], "cuda")
        self.assertIn("--backend cpu", message)

    def test_a_precision_that_the_back_end_does_not_have(self):
        message = self.refuse(["analyze", "--capture", FIXTURES / "llama" / "reference", "--backend", "cpu", "--precision", "tf32",
                               "--out", self.folder / "x"], "tf32")
        self.assertIn("--precision float32", message)


if __name__ == "__main__":
    unittest.main()
