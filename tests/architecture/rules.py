"""Rules that keep every concept in its folder (docs/tour.md walks through the folders). Each rule takes the root of a tree and
returns its violations, one line each."""
import pathlib
import re

# The folders from the lowest to the highest: a file includes only files of its own folder and of lower ones.
ORDER = ["io", "io/gguf", "io/config", "io/config/families", "io/weights", "io/checkpoint", "io/capture", "io/text/tokenizer", "io/text", "io/run",
         "kernels", "kernels/spectra", "kernels/field", "kernels/cpu", "kernels/cuda", "kernels/cuda/spectra", "kernels/cuda/field",
         "pipeline/mpi", "pipeline/scalapack", "pipeline/job", "pipeline/plan", "pipeline/results", "pipeline/run",
         "pipeline/forward", "pipeline/measure", "pipeline/report", "pipeline/compare", "pipeline/monitor", "pipeline/commands"]
# A factory must know what it makes, a back end its parts; a reader of a configuration, the table of families.
ALLOWED_UP = {("kernels/make_backend.cpp", "kernels/cpu/backend.hpp"), ("kernels/make_backend.cpp", "kernels/cuda/backend.hpp"),
              ("kernels/cuda/backend.cpp", "kernels/cuda/field/field_statistics.hpp"),
              ("io/config/model_config.cpp", "io/config/families/families.hpp")}
# The only headers of io/ that kernels/ may include.
SHARED_BY_KERNELS = {"io/config/architecture.hpp", "io/config/layer_parts.hpp"}

MOST_UNITS, MOST_LINES, MOST_FUNCTION_LINES = 30, 400, 80
# The one list of all statistics.
LONG_FUNCTIONS = {"pipeline/results/schema.hpp"}
# The file that holds each concept of docs/statistics.md, in kernels/.
CONCEPTS = {"which field": "scope", "logits": "logit_form", "windows and chunks": "visible", "centring": "field/centring",
            "tall factors": "field/tall_factor", "thin factor": "field/thin_factor", "causal fields": "field/causal_field",
            "windowed fields": "field/windowed_field", "direct fields": "field/dense_field", "effective ranks": "field/causal_spectrum",
            "leading components": "spectra/krylov", "spectrum": "field/spectrum", "shares of energy": "field/shares",
            "coherence": "field/coherence", "attention": "field/attention_statistics",
            "learned interaction": "field/learned_interaction", "certificate": "field/certification",
            "direct products": "field/direct_products", "consistency": "field/consistency", "reference": "field/oracle"}

SOURCES = (".cpp", ".hpp", ".cu", ".cuh")


def sources(root, *folders):
    """(path relative to the root, text) of every source below some folders."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES:
                yield path.relative_to(root).as_posix(), path.read_text()


def room_of(path):
    return path.rsplit("/", 1)[0]


def includes_go_down(root):
    out = []
    for path, text in sources(root, "io", "kernels", "pipeline"):
        if room_of(path) not in ORDER:
            out.append(f"{path}: lies in a room that ORDER does not know")
            continue
        for name in re.findall(r'^#include "([^"]+)"', text, re.M):
            if not (root / name).is_file():
                continue  # a generated or foreign header
            if path.startswith("kernels/") and name.startswith("io/") and name not in SHARED_BY_KERNELS:
                out.append(f"{path}: includes {name}: kernels/ knows no files")
            if room_of(name) in ORDER and ORDER.index(room_of(name)) > ORDER.index(room_of(path)) \
                    and (path, name) not in ALLOWED_UP:
                out.append(f"{path}: includes {name} of a higher room")
    return out


def rooms_are_small(root):
    units = {}
    for path, _ in sources(root, "io", "kernels", "pipeline"):
        units.setdefault(room_of(path), set()).add(pathlib.PurePath(path).stem)
    return [f"{room}: {len(names)} units, more than {MOST_UNITS}" for room, names in units.items() if len(names) > MOST_UNITS]


def files_are_short(root):
    out = []
    for path in (p for folder in ("bench", "io", "kernels", "pipeline", "tests") for p in sorted((root / folder).rglob("*"))):
        name = path.relative_to(root).as_posix()
        if path.suffix not in SOURCES + (".py", ".js"):
            continue
        lines = len(path.read_text().splitlines())
        if lines > MOST_LINES:
            out.append(f"{name}: {lines} lines, more than {MOST_LINES}")
    return out


# Functions as clang-format lays them out: the body ends with a brace under the first character of the definition.
DEFINITION = re.compile(r"^( *)(?!namespace|class|struct|enum|union|using|for|while|if|else|switch|do|return)[^\s#/}].*\{$")


def functions_are_short(root):
    out = []
    for path, text in sources(root, "io", "kernels", "pipeline"):
        lines = text.splitlines()
        for i, line in enumerate(lines):
            found = DEFINITION.match(line)
            if not found or "(" not in line or path in LONG_FUNCTIONS:
                continue
            end = next((j for j in range(i + 1, len(lines)) if lines[j].startswith(found[1] + "}")), i)
            if end - i > MOST_FUNCTION_LINES:
                out.append(f"{path}:{i + 1}: a function of {end - i + 1} lines, more than {MOST_FUNCTION_LINES}")
    return out


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def mpi_stays_below(root):
    out = []
    for path, text in sources(root, "io", "kernels", "pipeline"):
        if not path.startswith(("pipeline/mpi/", "pipeline/scalapack/")) \
                and re.search(r"\bMPI_\w+|<mpi(-ext)?\.h>", without_comments(text)):
            out.append(f"{path}: uses MPI, which stands in pipeline/mpi and pipeline/scalapack only")
    return out


def people_are_told_by_the_console(root):
    """What is written to standard streams goes through io/console, which makes it safe and notices failures; but for the lines
    that are renewed in place."""
    out = []
    for path, text in sources(root, "io", "kernels", "pipeline"):
        if path not in ("io/console.cpp", "pipeline/job/activity.cpp", "pipeline/run/progress.cpp") \
                and re.search(r"fmt::print\b|std::(cout|cerr|puts|fputs|printf|fprintf)\b|\bstd(out|err)\b", without_comments(text)):
            out.append(f"{path}: writes to a standard stream, which io/console.hpp is for")
    return out


def options_stand_in_pipeline(root):
    out = []
    for path, text in sources(root, "io", "kernels"):
        if re.search(r'"[^"\n]*--[a-z]', without_comments(text)):
            out.append(f"{path}: a text names an option of the command line")
    return out


def every_source_is_built(root):
    out = []
    for folder in ("io", "kernels", "pipeline"):
        lists = "".join(f.read_text() for f in (root / folder).rglob("*") if f.name in ("CMakeLists.txt", "sources.cmake"))
        for path, _ in sources(root, folder):
            name = path.split("/", 1)[1]
            if name.endswith((".cpp", ".cu")) and not re.search(rf"(?<![\w/]){re.escape(name)}\b", lists):
                out.append(f"{path}: stands in no list of sources of {folder}/CMakeLists.txt")
    return out


# The pages, and the sources that write the data that their scripts read.
PAGES = "pipeline/report/web"
PAGE_DATA = ("pipeline/report/report_data.cpp", "pipeline/report/packed_values.cpp", "pipeline/monitor/page.cpp")


def pages_read_what_is_written(root):
    """Keys of a page's data: REPORT.key and const {key, ...} = REPORT in the scripts, {"key", ...} in the writers."""
    scripts = "".join(p.read_text() for p in sorted((root / PAGES).glob("*.js")))
    read = set(re.findall(r"\bREPORT\??\.(\w+)", scripts))
    for names in re.findall(r"\{([\w, ]+)\} = REPORT", scripts):
        read |= set(re.split(r",\s*", names))
    written, out = set(), []
    for name in PAGE_DATA:
        text = (root / name).read_text()
        keys = set(re.findall(r'\{"(\w+)",', text)) | set(re.findall(r'\["(\w+)"\]', text))
        out += [f"{name}: writes '{key}', which no script reads" for key in sorted(keys) if not re.search(rf"\b{key}\b", scripts)]
        written |= keys
    return out + [f"{PAGES}: a script reads '{key}', which nobody writes" for key in sorted(read - written)]


# Names of the standard library, and the headers of which one must be included where they are used.
STANDARD = {r"std::(optional|nullopt)\b": ("optional",), r"std::(vector)\b": ("vector",), r"std::(string|to_string)\b": ("string",),
            r"std::string_view\b": ("string_view", "string"), r"std::span\b": ("span",), r"std::(map|multimap)\b": ("map",),
            r"std::set\b": ("set",), r"std::variant\b": ("variant",), r"std::function\b": ("functional",),
            r"std::(unique_ptr|shared_ptr|make_unique|make_shared)\b": ("memory",), r"std::filesystem\b": ("filesystem",),
            r"std::(u?int(8|16|32|64)_t)\b": ("cstdint",), r"std::byte\b": ("cstddef",), r"std::array\b": ("array",),
            r"std::(mutex|scoped_lock)\b": ("mutex",), r"std::deque\b": ("deque",), r"std::atomic\b": ("atomic",),
            r"std::(sort|min|max|clamp|ranges::\w+)\(": ("algorithm",), r"std::(isnan|isfinite|sqrt|exp|log|abs)\(": ("cmath",),
            r"std::(pair|move|forward)\b": ("utility", "map", "vector", "string", "memory", "functional"),
            r"\bjson\b": ("nlohmann/json.hpp", "nlohmann/json_fwd.hpp")}


def headers_stand_alone(root):
    """A header includes what it uses of the standard library, itself or by project headers that it includes."""
    included = {}

    def closure(path):
        if path not in included:
            included[path] = set()
            for name in re.findall(r'^#include [<"]([^>"]+)[>"]', (root / path).read_text(), re.M):
                included[path] |= {name} | (closure(name) if (root / name).is_file() else set())
        return included[path]

    out = []
    for path, text in sources(root, "io", "kernels", "pipeline"):
        if not path.endswith(".hpp"):
            continue
        code = re.sub(r'"(\\.|[^"\\])*"', '""', without_comments(text))
        out += [f"{path}: uses {pattern} without one of {', '.join(headers)}" for pattern, headers in STANDARD.items()
                if re.search(pattern, code) and not closure(path) & set(headers)]
    return out


LAYER_PARTS = "io/config/layer_parts.hpp"


def every_part_is_visited(root):
    """Norms and maps of a layer, which are declared and visited in one file."""
    text = (root / LAYER_PARTS).read_text()
    declared = re.findall(r"typename Of::(?:Norm|StackedHeads|WholeMap|HeadMap|ColumnMap) ([^;]+);", text)
    names = [name for line in declared for name in re.findall(r"(\w+)\{\}", line)]
    return [f"{LAYER_PARTS}: {name} is declared, but not visited" for name in names if f"visit(layers.{name}...)" not in text]


def concepts_have_their_file(root):
    return [f"kernels/{file}: the file of '{concept}' is not there" for concept, file in CONCEPTS.items()
            if not any((root / "kernels" / (file + suffix)).is_file() for suffix in SOURCES)]


RULES = [includes_go_down, rooms_are_small, files_are_short, functions_are_short, mpi_stays_below,
         people_are_told_by_the_console, options_stand_in_pipeline,
         every_source_is_built, pages_read_what_is_written, headers_stand_alone, every_part_is_visited,
         concepts_have_their_file]
