#!/usr/bin/env python3
"""Opens a run's tables with the code of docs/run-folder.md (development only: needs xarray, netCDF4 and pandas).

    tables_test.py RUN      a run that measured scope full in a context of 512 tokens, such as build/demo/trained

Checks that results.nc has labelled dimensions, and units and a description on every variable, and holds the same numbers as
heads.csv; exit 1 if not.
"""
import pathlib, re, sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
guide = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "run-folder.md").read_text()
snippet = re.search(r"```python\n(.*?)```", guide, re.DOTALL).group(1)
scope = {}
exec(snippet.replace("RUN/", f"{folder}/"), scope)
heads, field = scope["heads"], scope["field"]

shown = eval(snippet.strip().splitlines()[-1].split("#")[0], scope)
assert shown.dims == ("layer", "head"), shown.dims
for dimension in ("scope", "text", "context", "layer", "head"):
    assert dimension in field.coords, f"{dimension} has no labels"
for name, variable in field.data_vars.items():
    for attribute in ("units", "long_name"):
        assert variable.attrs.get(attribute), f"{name} has no {attribute}"

compared = 0
keys = ["scope", "text", "context", "layer", "head"]
table = heads.set_index(keys).to_xarray()
for name in heads.columns.difference([*keys, "kv_head", "route", "certified"]):
    a = table[name].sel({key: field[key] for key in keys}).transpose(*keys).astype(float).values
    b = field[name].transpose(*keys).astype(float).values
    assert not np.any(a == -1) and not np.any(b == -1), f"{name}: what is missing is missing, not -1"
    assert np.array_equal(a, b, equal_nan=True), name
    compared += a.size
print(field)
print(f"{len(field.data_vars)} variables with units and descriptions; {compared} numbers as in heads.csv")
