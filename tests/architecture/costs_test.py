"""The sizes of tiles and blocks in a cost are the kernels' own constants: a changed one changes exactly the costs that
depend on it. Factors that the cost files count by hand are not tested here."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).parents[2]
PROBE, FIELD, DEVICE, BLOCK = (pathlib.Path(name) for name in (
    "tests/architecture/cost_probe.cpp", "kernels/field/cost.cpp", "kernels/field/device_fields.cpp", "kernels/block_cost.cpp"))
# For each constant: the file that defines it, the file that counts with it, the kernel that uses it (None: it is counted
# by hand), and the costs that depend on it.
CONSTANTS = {
    "kOperatorTile": ("kernels/tiles.hpp", FIELD, "kernels/field/causal_field.cpp",
                      {"causal flops", "causal bytes", "windowed flops", "windowed bytes"}),
    "kEnergyTile": ("kernels/tiles.hpp", FIELD, "kernels/field/windowed_field.cpp", {"windowed flops", "windowed bytes"}),
    "kEdgeTiles": ("kernels/tiles.hpp", FIELD, None, {"windowed flops", "windowed bytes"}),
    "kProbeCount": ("kernels/spectra/spectral_sums.hpp", FIELD, "kernels/spectra/spectral_sums.cpp",
                    {"causal bytes", "windowed flops", "windowed bytes"}),
    "kAttentionTile": ("kernels/field/attention_statistics.hpp", FIELD, "kernels/field/attention_statistics.cpp", {"attention"}),
    "kFeedForwardRows": ("kernels/block_cost.hpp", BLOCK, "kernels/cpu/feed_forward.cpp", {"block"}),
    "kDeviceFeedForwardRows": ("kernels/block_cost.hpp", BLOCK, "kernels/cuda/block.cpp", {"device block"}),
    "kDeviceHeadMultiple": ("kernels/device.hpp", BLOCK, "kernels/cuda/heads.hpp", {"device block", "device heads"}),
    "kDeviceTileRows": ("kernels/field/device_fields.hpp", DEVICE, "kernels/cuda/field/field_operations.hpp", {"device fields"}),
}
COMPILER = os.environ.get("CXX", "c++")


def compile_to(target, source, *folders):
    """With headers of `folders` in place of the project's own."""
    eigen = os.environ.get("EIGEN", "/usr/include/eigen3").split(";")
    includes = [part for path in (*folders, ROOT) for part in ("-I", path)] + [part for path in eigen for part in ("-isystem", path)]
    subprocess.run([COMPILER, "-std=c++20", "-O0", *includes, "-c", ROOT / source, "-o", target], check=True)
    return target


def costs(folder, objects):
    """{name: numbers} of a program of these objects."""
    program = folder / "probe"
    subprocess.run([COMPILER, *objects.values(), "-o", program], check=True)
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    return {m[1]: m[2] for m in (re.match(r"([a-z ]+) ([\d.e+ -]+)$", line) for line in lines)}


def changed_costs(folder, objects, name):
    """The costs with the constant at half its size."""
    folder.mkdir()
    header, source, _, _ = CONSTANTS[name]
    text, count = re.subn(rf"(\b{name} = )(\d+)", lambda m: m[1] + str(int(m[2]) // 2), (ROOT / header).read_text())
    assert count == 1, f"{header}: {name} is not there once"
    (folder / header).parent.mkdir(parents=True)
    (folder / header).write_text(text)
    return costs(folder, {**objects, source: compile_to(folder / "changed.o", source, folder)})


class Costs(unittest.TestCase):
    def test_a_changed_tile_changes_them(self):
        with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
            folder, sources = pathlib.Path(name), [PROBE, FIELD, DEVICE, BLOCK]
            objects = dict(zip(sources, pool.map(lambda s: compile_to(folder / (s.stem + ".o"), s), sources)))
            before = costs(folder, objects)
            found = dict(zip(CONSTANTS, pool.map(lambda name: changed_costs(folder / name, objects, name), CONSTANTS)))
        for name, (_, _, kernel, entered) in CONSTANTS.items():
            with self.subTest(name):
                self.assertEqual({cost for cost in before if found[name][cost] != before[cost]}, entered)
                if kernel:
                    self.assertRegex((ROOT / kernel).read_text(), rf"\b{name}\b")


if __name__ == "__main__":
    unittest.main()
