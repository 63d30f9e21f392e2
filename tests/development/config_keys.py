#!/usr/bin/env python3
"""Collects which keys of config.json transformers reads, for every model type that the program supports.

    config_keys.py OUT.json TRANSFORMERS_FOLDER...

Development only. A TRANSFORMERS_FOLDER is an installed package's folder (.../site-packages/transformers); its files are
parsed, not imported, so neither it nor PyTorch has to work. Per type and version the keys are those
  - that modeling_TYPE.py reads from a config, in what its causal language model reaches (classes, functions, tables);
  - that functions of masking_utils.py read, where such code names them, and modeling_rope_utils.py, where imported;
  - tie_word_embeddings, which modeling_utils.py reads for models that declare tied weights;
  - that TYPE's configuration class makes other attributes from (Qwen2's max_window_layers, GPT-NeoX's rotary_pct).
They are written as in config.json: through attribute_map (GPT-2's hidden_size is n_embd), without properties that the
class computes and without private names. What is read from an object within is "object.key" (attn_config.clip_qkv).
"""
import ast, functools, json, pathlib, re, sys

TYPES = ("arcee bloom codegen cohere cohere2 deepseek_v2 deepseek_v3 dots1 ernie4_5 ernie4_5_moe exaone4 falcon gemma"
         " gemma2 gemma3 gemma3_text glm glm4 glm4_moe gpt2 gpt_bigcode gpt_neo gpt_neox gpt_oss gptj granite granitemoe"
         " hunyuan_v1_dense hunyuan_v1_moe kimi_k2 llama minimax_m2 mistral mixtral mpt olmo olmo2 olmo3 olmoe opt"
         " phi phi3 qwen2 qwen2_moe qwen3 qwen3_moe seed_oss smollm3 stablelm starcoder2 xglm").split()
FOLDERS = {"gemma3_text": "gemma3"}
# Types whose decoder is that of another: its keys may lie in text_config.
DECODERS = {"gemma3": "gemma3_text", "kimi_k2": "deepseek_v3"}
CAUSAL = re.compile("(ForCausalLM|LMHeadModel)$")
SKIPPED = re.compile("(ForSequenceClassification|ForTokenClassification|ForQuestionAnswering|MultipleChoice"
                     "|DoubleHeadsModel)$|^load_tf_|(?i:vision|image|multimodal|siglip)")
CONFIGS = {"config", "text_config"}
ROPES = {name: (name,) for name in ("rope_parameters", "rope_scaling")}  # passed on to functions under these names


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def text(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def joined(base, key):
    return None if base is None or key is None else (*base, key)


def place(node, names):
    """Returns the keys that lead from a config to the value of an expression: () for the config itself, else None."""
    if isinstance(node, (ast.BoolOp, ast.IfExp)):
        return place(node.values[0] if isinstance(node, ast.BoolOp) else node.body, names)
    if isinstance(node, ast.Name):
        return () if node.id in CONFIGS else names.get(node.id)
    if isinstance(node, ast.Attribute):
        if node.attr in CONFIGS or ast.unparse(node) in names:
            return names.get(ast.unparse(node), ())
        base = place(node.value, names)
        return None if base and not base[-1].endswith("_config") else joined(base, node.attr)
    if isinstance(node, ast.Subscript):
        return joined(place(node.value, names), text(node.slice)) or place(node.value, names)  # layer_types[i]
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
        base = place(node.comparators[0], names)
        return None if base and base[0] not in ROPES else joined(base, text(node.left))
    if isinstance(node, ast.Call):
        function, method, arguments = ast.unparse(node.func), getattr(node.func, "attr", ""), node.args
        if method == "get_text_config":
            return place(node.func.value, names)
        if method in ("get", "pop", "setdefault") and arguments:
            return joined(place(node.func.value, names), text(arguments[0]))
        if function in ("getattr", "hasattr"):
            return joined(place(arguments[0], names), text(arguments[1]))
    return None


def reads(tree, names=()):
    """Returns what is read from configs in a piece of code, where `names` are known to lead into them."""
    names, ignored = {**ROPES, **dict(names)}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            ignored.add(node.func)  # methods
            if ast.unparse(node.func) == "super().__init__":
                ignored.update(keyword.value for keyword in node.keywords)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"self.{ast.unparse(node.value)}":
            ignored.add(node.value)  # an argument kept as it is
    for _ in range(2):  # ast.walk may come to a use before the assignment
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and place(node.value, names) and place(node.targets[0], names) is None:
                names[ast.unparse(node.targets[0])] = place(node.value, names)
    found = {place(node, names) for node in ast.walk(tree) if node not in ignored
             and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)}
    return {keys for keys in found if keys and not any(key.startswith("_") for key in keys)}


def config_class_reads(tree):
    """Returns what a configuration class itself reads, from its attributes, other keys (kwargs) and arguments."""
    arguments = [a.arg for node in tree.body if getattr(node, "name", "") == "__init__" for a in node.args.args]
    return reads(tree, {**{name: (name,) for name in arguments}, "self": (), "kwargs": ()})


def definitions(tree):
    """Returns a module's classes, functions and tables by name."""
    found = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    return found | {ast.unparse(node.targets[0]): node for node in tree.body if isinstance(node, ast.Assign)}


def reached(known):
    """Returns the definitions that a module's causal language model uses, and all names in them."""
    waiting, used, names = [name for name in known if CAUSAL.search(name)], {}, set()
    while waiting:
        name = waiting.pop()
        if name in known and name not in used and not SKIPPED.search(name):
            used[name] = known[name]
            waiting += [node.id for node in ast.walk(known[name]) if isinstance(node, ast.Name)]
        names.add(name)
    return used.values(), names


def not_keys(tree):
    """Returns the names of a class that config.json can't set: constants, and properties without a setter."""
    properties = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    constants = [ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)]
    return {name for name in properties if properties.count(name) == 1} | set(constants)


def folder_of(type_name, package):
    """Returns the folder of a type's code; older versions may lack it."""
    return package / "models" / FOLDERS.get(type_name, type_name)


def keys_of(type_name, package):
    folder = folder_of(type_name, package)
    module = parsed(folder / f"modeling_{folder.name}.py")
    code, names = reached(definitions(module))
    rope, masks = (parsed(package / name) for name in ("modeling_rope_utils.py", "masking_utils.py"))
    shared = [n for part in ("", "integrations/*/") for path in package.glob(f"{part}configuration_utils.py")
              for n in parsed(path).body]
    base = [n for n in (*rope.body, *shared) if re.search("(Pre[tT]rainedConfig|ConfigMixin)$", getattr(n, "name", ""))]
    config, = [n for n in parsed(folder / f"configuration_{folder.name}.py").body
               if isinstance(n, ast.ClassDef) and f"model_type = '{type_name}'" in map(ast.unparse, n.body)]
    found = set().union(*map(reads, code), config_class_reads(config))
    found |= set().union(*(reads(node) for name, node in definitions(masks).items() if name in names))
    if any(isinstance(node, ast.ImportFrom) and node.module == "modeling_rope_utils" for node in module.body):
        found |= set().union(*(config_class_reads(n) if n in base else reads(n) for n in rope.body))
    found |= {("tie_word_embeddings",)} if "_tied_weights_keys" in names else set()
    left_out = set().union(*map(not_keys, (*base, config)))
    written = ast.literal_eval(table.value) if (table := definitions(config).get("attribute_map")) else {}
    return sorted({".".join((written.get(keys[0], keys[0]), *keys[1:])) for keys in found if keys[0] not in left_out})


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    packages = {re.search(r'^__version__ = "(.*)"', (folder / "__init__.py").read_text(), re.M)[1]: folder
                for folder in map(pathlib.Path, sys.argv[2:])}
    types = [f'"{name}": {{\n' + ",\n".join(f'  "{version}": {json.dumps(keys_of(DECODERS.get(name, name), folder))}'
                                           for version, folder in packages.items()
                                           if folder_of(DECODERS.get(name, name), folder).exists()) + "}"
             for name in TYPES]
    pathlib.Path(sys.argv[1]).write_text(
        f'{{"transformers": {json.dumps(list(packages))},\n"keys": {{\n' + ",\n".join(types) + "}}\n")


if __name__ == "__main__":
    main()
