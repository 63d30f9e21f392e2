"""validate --against: differences that float32 angles explain, and others. Captures hold the program's own Q and K."""
import math, struct, unittest

from harness import Case, read_safetensors, run, small_model, write_safetensors

HEADS, KV_HEADS, WIDTH, LENGTH, THETA = 4, 2, 32, 500, 10000.0
TOLERANCE = 1e-6


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def single_angle(position, pair):
    """An angle computed as in transformers: every step in float32."""
    inverse = single(1 / single(THETA ** single(2 * pair / WIDTH)))
    return single(position * inverse)


def exact_angle(position, pair, theta=THETA):
    return position * theta ** (-2 * pair / WIDTH)


class Against(Case):
    def setUp(self):
        super().setUp()
        self.model = small_model(self.folder / "model", layers=2, hidden=64, heads=HEADS, **{"kv-heads": KV_HEADS, "head-dim": WIDTH},
                                 tokens=LENGTH)
        self.succeed("analyze", "--model", self.model, "--tokens", self.model / "tokens.json", "--contexts", LENGTH, "--dump-captures",
                     self.folder, "--out", self.folder / "run")
        self.capture = self.folder / "tokens"

    def change(self, change_pair, layers=(0, 1), names="qk"):
        """Replaces (x, y) of every pair of columns that turn together by change_pair(position, pair, x, y)."""
        for layer in layers:
            path = self.capture / f"layer_{layer:03}.safetensors"
            tensors = read_safetensors(path)
            for name in names:
                dtype, shape, raw = tensors[name]
                self.assertEqual((dtype, shape), ("F32", [HEADS if name == "q" else KV_HEADS, LENGTH, WIDTH]))
                values = list(struct.unpack(f"<{len(raw) // 4}f", raw))
                for row in range(shape[0] * LENGTH):
                    for pair in range(WIDTH // 2):
                        x, y = row * WIDTH + pair, row * WIDTH + pair + WIDTH // 2
                        values[x], values[y] = change_pair(row % LENGTH, pair, values[x], values[y])
                tensors[name] = (dtype, shape, struct.pack(f"<{len(values)}f", *values))
            write_safetensors(path, tensors)

    def turn(self, extra_angle, **where):
        def turned(position, pair, x, y):
            angle = extra_angle(position, pair)
            return x * math.cos(angle) - y * math.sin(angle), y * math.cos(angle) + x * math.sin(angle)

        self.change(turned, **where)

    def validate(self, code):
        result = run("validate", "--model", self.model, "--against", self.capture, "--tolerance", TOLERANCE)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    @staticmethod
    def largest(output):
        line = next(line for line in output.splitlines() if line.startswith("largest relative difference"))
        return max(float(line.split(name)[1].split()[0]) for name in ("queries", "keys"))

    def test_angles_in_float32_do_not_count_against_the_program(self):
        self.assertLessEqual(self.largest(self.validate(0)), TOLERANCE)
        self.turn(lambda position, pair: single_angle(position, pair) - exact_angle(position, pair))
        output = self.validate(0)
        self.assertGreater(self.largest(output), 2 * TOLERANCE)  # otherwise the test would show nothing
        self.assertIn("float32", output)

    def test_another_theta_is_told(self):
        self.turn(lambda position, pair: exact_angle(position, pair, THETA * 1.001) - exact_angle(position, pair))
        output = self.validate(3)
        self.assertIn("first in layer 0, head 0", output)
        self.assertIn("the rotation differs; compare rope_theta", output)
        self.assertIn("do not trust", output)

    def test_other_positions_are_told(self):
        self.turn(lambda position, pair: exact_angle(1, pair), layers=(1,), names="q")
        output = self.validate(3)
        self.assertIn("first in layer 1, head 0", output)
        self.assertIn("the rotation differs", output)
        self.assertNotIn("KV head 0: pairs", output)

    def test_another_projection_is_told(self):
        self.change(lambda position, pair, x, y: (x * 1.001, y * 1.001 if pair else y), layers=(1,), names="k")
        output = self.validate(3)
        self.assertIn("first in layer 1, KV head 0", output)
        self.assertIn("which no rotation explains", output)


if __name__ == "__main__":
    unittest.main()
