"""The tree follows its rules, and each rule finds a violation that is planted."""
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import rules

ROOT = pathlib.Path(__file__).parents[2]


class TheTree(unittest.TestCase):
    def test_keeps_every_rule(self):
        for rule in rules.RULES:
            with self.subTest(rule.__name__):
                self.assertEqual(rule(ROOT), [])

    def test_keeps_no_exception_longer_than_needed(self):
        for upper, lower in rules.ALLOWED_UP:
            self.assertIn(f'#include "{lower}"', (ROOT / upper).read_text())


class APlantedViolation(unittest.TestCase):
    """In a copy of the sources."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        for name in ("io", "kernels", "pipeline"):
            shutil.copytree(ROOT / name, self.root / name)

    def plant(self, path, text):
        file = self.root / path
        old = file.read_text() if file.exists() else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(old + text)

    def assert_found(self, rule, *parts):
        found = rule(self.root)
        self.assertEqual(len(found), 1, found)
        for part in parts:
            self.assertIn(part, found[0])

    def test_an_include_of_a_higher_room(self):
        self.plant("pipeline/job/job.hpp", '#include "pipeline/measure/run_context.hpp"\n')
        self.assert_found(rules.includes_go_down, "pipeline/job/job.hpp", "run_context.hpp", "higher")

    def test_an_include_of_files_by_kernels(self):
        self.plant("kernels/team.hpp", '#include "io/json.hpp"\n')
        self.assert_found(rules.includes_go_down, "kernels/team.hpp", "io/json.hpp")

    def test_a_room_without_a_place(self):
        self.plant("pipeline/misc/things.cpp", "int x;\n")
        self.assert_found(rules.includes_go_down, "pipeline/misc/things.cpp", "ORDER")

    def test_a_crowded_room(self):
        for i in range(rules.MOST_UNITS):
            self.plant(f"pipeline/job/extra_{i}.hpp", "#pragma once\n")
        self.assert_found(rules.rooms_are_small, "pipeline/job")

    def test_a_long_file(self):
        self.plant("pipeline/job/job.cpp", "\n" * rules.MOST_LINES)
        self.assert_found(rules.files_are_short, "pipeline/job/job.cpp")

    def test_a_long_function(self):
        self.plant("pipeline/job/job.cpp", "void planted() {\n" + "  ++n;\n" * rules.MOST_FUNCTION_LINES + "}\n")
        self.assert_found(rules.functions_are_short, "pipeline/job/job.cpp")

    def test_mpi_elsewhere(self):
        self.plant("pipeline/report/page.cpp", "int rank() { return MPI_COMM_WORLD; }\n")
        self.assert_found(rules.mpi_stays_below, "pipeline/report/page.cpp")

    def test_output_past_the_console(self):
        self.plant("pipeline/report/page.cpp", 'void shout() { std::puts("!"); }\n')
        self.assert_found(rules.people_are_told_by_the_console, "pipeline/report/page.cpp", "io/console.hpp")

    def test_an_option_below_pipeline(self):
        self.plant("io/npy.cpp", 'const char* text = "use --resume";\n')
        self.assert_found(rules.options_stand_in_pipeline, "io/npy.cpp")

    def test_a_source_that_nobody_builds(self):
        self.plant("kernels/field/forgotten.cpp", "int x;\n")
        self.assert_found(rules.every_source_is_built, "kernels/field/forgotten.cpp")

    def test_a_key_that_no_script_reads(self):
        self.plant("pipeline/report/report_data.cpp", 'const json more{{"planted", 1}};\n')
        self.assert_found(rules.pages_read_what_is_written, "report_data.cpp", "planted")

    def test_a_key_that_nobody_writes(self):
        self.plant("pipeline/report/web/page.js", "show(REPORT.planted);\n")
        self.assert_found(rules.pages_read_what_is_written, "reads 'planted'")

    def test_a_part_that_is_not_visited(self):
        self.plant("io/config/layer_parts.hpp", "typename Of::WholeMap planted{};\n")
        self.assert_found(rules.every_part_is_visited, "planted")

    def test_a_header_that_leans_on_its_includer(self):
        self.plant("kernels/precision.hpp", "namespace logitfield { std::optional<int> planted(); }\n")
        self.assert_found(rules.headers_stand_alone, "kernels/precision.hpp", "optional")

    def test_a_concept_without_a_file(self):
        for suffix in ("hpp", "cpp"):
            (self.root / f"kernels/field/coherence.{suffix}").unlink()
        self.assert_found(rules.concepts_have_their_file, "coherence")


if __name__ == "__main__":
    unittest.main()
