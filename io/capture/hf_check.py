"""Compares what is recorded of a layer with the attention weights that the model itself computed. For capture_hf.py."""
from dataclasses import dataclass

import torch

CHECKED_ROWS = 16  # of a layer, spread over the text
ROUNDINGS = 8  # of a logit in the model's dtype: twice those of product, scale, cap and mask
FLOAT32_UNIT = 2.0 ** -24


class CaptureError(Exception):
    """Bad input, or a model that a capture cannot express: one line for the user."""


def checked_rows(length):
    """Rows spread over the text, the first and the last among them."""
    return torch.unique(torch.linspace(0, length - 1, min(CHECKED_ROWS, length)).round().long())


def visible(rows, length, window, chunk):
    """[rows, length]: the keys that a capture shows to these queries."""
    i, j = rows[:, None], torch.arange(length)[None, :]
    return (j <= i) & (j > i - (window or length)) & ((j // chunk == i // chunk) if chunk else True)


@dataclass
class Form:
    """How a layer's logits follow from q and k, as a capture says it."""
    scale: float
    softcap: float | None = None
    window: int | None = None
    chunk: int | None = None
    slopes: tuple = ()
    sinks: tuple = ()  # by head: the logit of a member of the softmax that is no key
    slopes_unit: float = 0.0  # to which the model rounds slope * j, where that is coarser than its dtype


def recorded_logits(query, key, rows, form, unit):
    """[heads, rows, keys] in float64: the logits, and how far those of the model may be off, each being rounded
    ROUNDINGS times to `unit` and summed in float32."""
    query = query[:, rows.to(query.device)].to("cpu", torch.float64)
    key = key.to("cpu", torch.float64).repeat_interleave(query.shape[0] // key.shape[0], 0).transpose(1, 2)
    logits = form.scale * (query @ key)
    off = abs(form.scale) * query.shape[2] * FLOAT32_UNIT * (query.abs() @ key.abs()) + ROUNDINGS * unit * logits.abs()
    if form.slopes:
        slopes, length = torch.tensor(form.slopes, dtype=torch.float64)[:, None, None], key.shape[2]
        logits = logits + slopes * (torch.arange(length)[None, :] - rows[:, None])
        off = off + ROUNDINGS * max(unit, form.slopes_unit) * slopes.abs() * length  # models add slope * j
    return form.softcap * torch.tanh(logits / form.softcap) if form.softcap else logits, off


def explanation(row, column, seen):
    if not seen and column > row:
        return "its attention is not causal"
    if not seen:
        return "its window or chunk is wider than the recorded one"
    return ("its scale may be in the queries already, or it adds a bias or hides keys in a way that this script does "
            "not know")


def check_layer(layer, query, key, weights, dtype, form):
    """query [heads, L, d] and key [kv heads, L, d] as they are written; weights [heads, rows, L]: the model's own in
    checked_rows(L), from queries of `dtype`. CaptureError where they are not the softmax of the recorded logits, but
    for the rounding of the model's numbers."""
    length = query.shape[1]
    rows = checked_rows(length)
    if weights is None or weights.shape != (query.shape[0], len(rows), length):
        found = "none are there" if weights is None else f"their shape is {tuple(weights.shape)}"
        raise CaptureError(f"layer {layer}: its attention weights cannot be had ({found}), so that nothing tells "
                           "whether what is recorded is right; it cannot be captured")
    unit = max(torch.finfo(dtype).eps, torch.finfo(weights.dtype).eps) / 2
    least = torch.finfo(dtype).smallest_normal if dtype == torch.float16 else 0.0  # what float16 weights lose at zero
    own = weights.to("cpu", torch.float64)
    logits, off = recorded_logits(query, key, rows, form, unit)
    seen = visible(rows, length, form.window, form.chunk)
    members = logits.masked_fill(~seen, -torch.inf)
    if form.sinks:
        sinks = torch.tensor(form.sinks, dtype=torch.float64)[:, None, None].expand(-1, len(rows), 1)
        members = torch.cat([members, sinks], -1)
    expected = torch.softmax(members, -1)[..., :length]
    # A weight exp(x - log sum) is off by its own logit's error and by the mean error of those that the sum holds.
    # Bounded, since an infinite error of a weight that is 0 would be no number.
    relative = torch.expm1((off + (expected * off).sum(-1, keepdim=True)).clamp(max=100)) + 4 * unit
    excess = (own - expected).abs() - (expected * relative + least + FLOAT32_UNIT ** 2)
    if (excess <= 0).all():  # false for a NaN
        return
    bad = ~(excess <= 0)
    # Keys that the capture hides say most; they are named first.
    named = bad & ~seen if (bad & ~seen).any() else bad
    worst = excess.nan_to_num(torch.inf).masked_fill(~named, -torch.inf).argmax()
    head, row, column = map(int, torch.unravel_index(worst, excess.shape))
    why = explanation(int(rows[row]), column, bool(seen[row, column]))
    raise CaptureError(f"layer {layer}, head {head}, query {int(rows[row])}, key {column}: the model's attention weight "
                       f"is {own[head, row, column]:.6g}, that of the recorded queries and keys "
                       f"{expected[head, row, column]:.6g}: {why}; this model cannot be captured")


def fits(*arguments):
    """Does check_layer find nothing?"""
    try:
        check_layer(*arguments)
    except CaptureError:
        return False
    return True
