"""Statistics of W_Q^T W_K (learned_*): those of the weights alone, and the stable rank by its definition."""
import json, math, struct, unittest

from harness import FIXTURES, LEARNED, read_safetensors
from model_runs import ModelRuns


class LearnedInteraction(ModelRuns):
    def test_what_was_learned_depends_on_the_weights_alone(self):
        learned = LEARNED - {"spectral_gap"}
        other = self.folder / "other.json"
        other.write_text(json.dumps([(7 * i) % 97 for i in range(100)]))
        found = []
        for grid, ranks in (("1x1", 1), ("1x2", 2), ("2x1", 2)):
            rows = self.analyze(grid, "--grid", grid, ranks=ranks, tokens=[FIXTURES / "qwen2" / "tokens.npy", other])
            by_head = {}
            for row in rows:
                by_head.setdefault((row["layer"], row["head"]), set()).add(tuple(row[name] for name in sorted(learned)))
                self.assertTrue(math.isclose(float(row["spectral_gap"]), int(row["learned_k90"]) / int(row["k90"]), rel_tol=1e-14))
            self.assertTrue(all(len(values) == 1 for values in by_head.values()))
            self.assertGreater(len(set.union(*by_head.values())), 1)
            found.append(by_head)
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[0], found[2])

    def test_the_stable_rank_of_what_was_learned(self):
        # Norms of queries and keys: one gain for all heads; the same plus one; one norm over all heads.
        for fixture in ("qwen2", "mistral", "families/qwen3", "families/gemma3", "families/olmo2"):
            offset = 1 if "gemma" in fixture else 0
            tokens = None if "/" not in fixture else [FIXTURES / fixture / "reference" / "tokens.npy"]
            rows = self.analyze(fixture.replace("/", "-"), fixture=fixture, contexts="32", tokens=tokens)
            config = json.loads((FIXTURES / fixture / "config.json").read_text())
            tensors = read_safetensors(FIXTURES / fixture / "model.safetensors")
            width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
            group = config["num_attention_heads"] // config["num_key_value_heads"]

            def numbers(name):
                dtype, shape, raw = tensors[name]
                if dtype == "F32":
                    return shape, struct.unpack(f"<{len(raw) // 4}f", raw)
                if dtype == "F16":
                    return shape, struct.unpack(f"<{len(raw) // 2}e", raw)
                self.assertEqual(dtype, "BF16")
                return shape, [struct.unpack("<f", b"\0\0" + raw[i:i + 2])[0] for i in range(0, len(raw), 2)]

            def gram(layer, which, head):
                """W G^2 W^T of the head's projection W, with gains of later norms; G: gains of the earlier norm."""
                def gains(name, count):
                    values = numbers(name)[1] if name in tensors else [1 - offset] * count
                    return [offset + value for value in values]

                (outputs, hidden), flat = numbers(f"model.layers.{layer}.self_attn.{which}_proj.weight")
                before = gains(f"model.layers.{layer}.input_layernorm.weight", hidden)
                name = f"model.layers.{layer}.self_attn.{which}_norm.weight"
                behind = gains(name, width)
                behind = behind if len(behind) == outputs else behind * (outputs // width)
                if name in tensors:
                    self.assertGreater(max(behind) / min(behind), 1.01)  # the gains have an effect
                w = [[flat[r * hidden + c] * before[c] * behind[r] for c in range(hidden)]
                     for r in range(head * width, (head + 1) * width)]
                return [[sum(a * b for a, b in zip(x, y)) for y in w] for x in w]

            for row in (r for r in rows if r["scope"] == "full" and r["layer"] in "01"):
                head = int(row["head"])
                q, k = gram(row["layer"], "q", head), gram(row["layer"], "k", head // group)
                # The eigenvalues of q k are the squared singular values of W_Q^T W_K.
                product = [[sum(a * b for a, b in zip(x, column)) for column in zip(*k)] for x in q]
                vector = [1.0 + 0.1 * i for i in range(width)]
                for _ in range(2000):
                    vector = [sum(a * b for a, b in zip(x, vector)) for x in product]
                    largest = math.sqrt(sum(v * v for v in vector))
                    vector = [v / largest for v in vector]
                expected = sum(product[i][i] for i in range(width)) / largest
                self.assertTrue(math.isclose(float(row["learned_stable_rank"]), expected, rel_tol=1e-6),
                                f"{fixture} layer {row['layer']} head {head}: {row['learned_stable_rank']}, {expected}")
                self.assertGreaterEqual(int(row["learned_k90"]), 1)
                self.assertLessEqual(int(row["learned_k90"]), width)
                self.assertIn(int(row["learned_plain_k90"]), range(1, width + 1))
                self.assertLessEqual(expected, float(row["learned_effective_rank"]) ** 2)


if __name__ == "__main__":
    unittest.main()
