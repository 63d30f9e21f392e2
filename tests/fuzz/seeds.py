"""Seeds of the fuzzers: small inputs of every kind, made from the fixtures of other tests or written out here.

Also dictionaries of the words in the readers' sources.
"""
import gzip
import json
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TESTS = REPOSITORY / "tests"

# Sources whose string literals may occur in an input.
WORDS = {
    "capture": ["io/capture/capture.cpp"],
    "command_line": ["pipeline/job/command_line.cpp"],
    "config_file": ["pipeline/job/command_line.cpp"],
    "gguf": ["io/gguf/*.cpp"],
    "manifest": ["pipeline/run/manifest.cpp", "pipeline/results/manifest*.cpp"],
    "model_config": ["io/config/*.cpp", "io/config/families/*.cpp"],
    "npy": ["io/npy.cpp"],
    "record": ["pipeline/results/record.cpp", "pipeline/results/schema.hpp"],
    "safetensors": ["io/safetensors.cpp", "io/dtype.cpp"],
    "texts": ["io/text/documents.cpp"],
    "tokenizer": ["io/text/tokenizer/*.cpp"],
    "vllm_hook": ["io/capture/vllm_hook_info.cpp"],
    "weight_index": ["io/checkpoint/weight_files.cpp"],
}


def safetensors():
    def file(header, data=b""):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    yield file({})
    yield file({"__metadata__": {"format": "pt"}, "a": entry("F32", [2, 2], 0, 16), "b": entry("BF16", [3], 16, 22),
                "c": entry("I64", [], 22, 30), "d": entry("F16", [0, 5], 30, 30)}, bytes(range(30)))


def gguf():
    def text(value):
        return struct.pack("<Q", len(value)) + value

    def file(values, rows, data):
        head = b"GGUF" + struct.pack("<IQQ", 3, len(rows), len(values)) + b"".join(values + rows)
        return head + bytes(-len(head) % 32) + data

    values = [text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama"),
              text(b"general.alignment") + struct.pack("<II", 4, 32),
              text(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b"),
              text(b"llama.rope.freq_base") + struct.pack("<If", 6, 1e4)]
    rows = [text(b"a") + struct.pack("<IQQIQ", 2, 32, 2, 2, 0), text(b"b") + struct.pack("<IQIQ", 1, 3, 0, 64)]
    yield file([], [], b"")
    yield file(values, rows, bytes(range(76)))


def weight_index():
    yield json.dumps({"metadata": {"total_size": 8}, "weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}).encode()
    yield json.dumps({"weight_map": {"x": "../a.safetensors"}}).encode()


def model_config():
    for path in sorted((TESTS / "fixtures").glob("**/config.json")):
        yield path.read_bytes()


def tokenizer():
    for path in sorted((TESTS / "tokenizers").glob("*/tokenizer.json")):
        yield without_most_tokens(json.loads(path.read_text())) + "\0Hello  world's 12 caf\u00e9\n".encode()
    yield without_most_tokens(json.loads(path.read_text())) + b"\0a b\0" + json.dumps({"bos_token": "a"}).encode()


def without_most_tokens(tokenizer):
    """A tokenizer with a short vocabulary: a few entries already cover every case of the readers."""
    model, kept = tokenizer["model"], 24
    names = {token["content"] for token in tokenizer["added_tokens"]} | {model.get("unk_token")}
    special = {text: id for text, id in model["vocab"].items() if text in names or text.startswith("<0x0")}
    single = [(text, id) for text, id in model["vocab"].items() if len(text) == 1]
    model["vocab"] = special | dict(single[:kept]) | {text: id for text, id in single if text in "Helo wrd"}

    def parts(merge):
        return merge if isinstance(merge, list) else merge.split(" ")

    def known(merge):
        left, right = parts(merge)
        return left in model["vocab"] and right in model["vocab"]

    whole = model["merges"]
    model["merges"] = []
    for merge in whole:
        if known(merge) and len(model["merges"]) < kept:
            model["vocab"].setdefault("".join(parts(merge)), 100_000 + len(model["merges"]))
            model["merges"].append(merge)
    return json.dumps(tokenizer, ensure_ascii=False).encode()


def npy():
    for version, length in ((1, "<H"), (2, "<I")):
        for kind, code in (("<i4", "<3i"), ("<i8", "<3q")):
            header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (3,), }}\n".encode()
            yield b"\x93NUMPY" + bytes((version, 0)) + struct.pack(length, len(header)) + header + struct.pack(code, 1, 2, 3)


def texts():
    yield "plain text, \u00e9 \u4e2d \U0001f600\r\n".encode()
    yield b'{"text": "one", "name": "first"}\n{"text": "two", "id": 7}\n'
    yield b'["one", "two"]'
    yield b"[1, 2, 3]"
    yield gzip.compress(b"one ") + gzip.compress(b"two")
    # zstd: a frame of one raw block, and one that repeats a byte 131,071 times.
    yield b"\x28\xb5\x2f\xfd\x20\x03\x19\0\0one"
    yield b"\x28\xb5\x2f\xfd\xa0\xff\xff\x01\0\xfb\xff\x0fa"


def capture():
    info = {"format": "logitfield-capture", "version": 1, "model": "m", "num_layers": 1, "num_heads": 2,
            "num_kv_heads": 1, "head_dim": 4, "num_tokens": 3, "scale": 0.5, "causal": True,
            "position_encoding_applied": True, "dtype": "F32", "source": "s"}
    yield json.dumps(info).encode()
    yield json.dumps(info | {"alibi_slopes": [0.5, 0.25], "logit_softcap": 30.0}).encode()
    yield json.dumps(info | {"sinks": [[0.5, -1.0]]}).encode()


def vllm_hook():
    info = {"config": {"num_attention_heads": 2, "num_key_value_heads": 1, "hidden_size": 8, "head_dim": 4,
                       "attention_multiplier": 0.5},
            "layer_order": [{"key_q": "q", "key_k": "k", "module_name": "m", "layer_num": 0}], "batch_size": 1,
            "hookq_mode": "all_tokens", "tp_rank": 0, "seq_lens": [3]}
    yield json.dumps(info).encode()
    yield json.dumps(info | {"hookq_mode": "last_token"}).encode()


def run_folders():
    return sorted((TESTS / "fixtures/run-folders").glob("*/journal"))


def journal():
    for path in run_folders():
        yield path.read_bytes()
        yield path.read_bytes()[:1000]


def record():
    for path in run_folders():
        content = path.read_bytes()
        at = content.index(b"\n") + 1
        while at < len(content):
            size = struct.unpack_from("<Q", content, at)[0]
            yield content[at + 16:at + 16 + size]
            at += 16 + size


def manifest():
    for path in sorted((TESTS / "fixtures/run-folders").glob("*/manifest.json")):
        yield json.dumps(json.loads(path.read_text())).encode()
    model = {"name": "m", "hash": "xxh3:0", "kind": "capture", "path": "/m", "source": "s", "num_layers": 2, "num_heads": 2,
             "num_kv_heads": 1, "head_dim": 4, "scale": 0.5, "alibi_slopes": [0.5, 0.25], "logit_softcap": 30.0}
    yield json.dumps({"format": "logitfield-run", "version": 1, "program": "logitfield", "started": "s", "model": model,
                      "texts": [{"name": "a"}, {"name": "b"}], "tokenization": None, "contexts": [2, 3], "scopes": ["full"],
                      "layers": [1, 2], "seed": 0, "backend": "cpu (a)", "routes": [{"route": "scalapack"}]}).encode()


def state_file():
    yield from (b"0", b"12", b"-3")  # names


def command_line():
    for line in ("--help", "--version", "analyze --help", "analyze --model m --text a.txt b.txt --out r --resume",
                 "analyze --capture c --contexts 64,128 --scopes full,causal --grid 2x2 --out=r --layers 1:3",
                 "plan --model-shape 8B --nodes 2 --gpus-per-node 8 --node-memory 512GiB --num-texts 3", "report run",
                 "compare a b --out c --scaling", "validate --model m --against c --tolerance 1e-3",
                 "analyze --config file --model m --tokens t.npy --bos yes --start 3 --num-tokens 9 --out r"):
        yield line.replace(" ", "\n").encode()


def config_file():
    yield b'model = "m"\ntext = ["a.txt", "b.txt"]\ncontexts = [64, 128]\n# comment\ncomponents = 32\nresume = true\n'
    yield b'capture = "c"\nscopes = ["full", "causal"]\nspectrum = "dense"\nseed = 7\nnull = 2\n[section]\nx = 1\n'


TARGETS = sorted([*WORDS, "journal", "state_file"])


def seeds(target):
    """Seeds made here, and committed ones: inputs that take more than a few lines, and earlier findings."""
    yield from globals()[target]()
    for path in sorted((HERE / "seeds" / target).glob("*")):
        yield path.read_bytes()


def words(target):
    literals = set()
    for pattern in WORDS.get(target, []):
        for path in REPOSITORY.glob(pattern):
            literals |= set(re.findall(r'"([\w<>.\-|=/]{2,40})"', path.read_text()))
    return sorted(literals)
