"""Tables of other pages that show parts of the record of `make bench`."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from experiments.bench.claims import COSTS, GROWTH, Row, verdicts
from experiments.bench.rivals import BASE
from experiments.gpu.page import table

SHAPE = "2x19x512x512"


def excerpts(record: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    """Lines by page and name of the table; of sections that the record has."""
    found = {}
    tables: list[tuple[str, str, Callable[[dict[str, Any]], list[Row]]]] = [
        ("README.md", "speed", headlines),
        ("docs/losses.md", "speed", every_loss),
        ("docs/datasets.md", "files", partial(rows_of, section="data", name="files")),
        ("docs/datasets.md", "loaders", partial(rows_of, section="data", name="loaders")),
        ("experiments/paper/pat_fig5.md", "speed", training_cost),
        ("experiments/paper/pat_fig5.md", "claims", lambda r: verdicts(training_cost(r), COSTS)),
        ("experiments/paper/pat_table2.md", "speed", growth),
        ("experiments/paper/pat_table2.md", "claims", lambda r: verdicts(growth(r), GROWTH)),
    ]
    for page, name, make in tables:
        if rows := make(record):
            found[page, name] = table(rows)
    return found


def rows_of(record: dict[str, Any], section: str, name: str, **wanted: Any) -> list[Row]:
    """The rows of a table in which the wanted columns have these values."""
    tables = {each["name"]: each["tables"] for each in record["sections"]}
    rows: list[Row] = tables.get(section, {}).get(name, [])
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def headlines(record: dict[str, Any]) -> list[Row]:
    """The few figures of the README: what, against what, time as a ratio, memory."""
    return [*_of_losses(record), *_of_training(record)]


def _of_losses(record: dict[str, Any]) -> Iterator[Row]:
    for loss in ("recall", "focal", "pat"):
        for row in rows_of(record, "losses", "losses", shape=SHAPE, loss=loss):
            what = f"{loss}, forward and backward at {SHAPE}"
            yield _headline(what, BASE, row, row["peak / logits"])
    for stride in (4, 8, 16):
        loss = "recall of small logits"
        of = {"shape": SHAPE, "stride": stride, "loss": loss}
        for row in rows_of(record, "upsampled", "upsampled", **of):
            what = f"recall from logits of stride {stride}, labels {SHAPE}"
            yield _headline(what, f"`F.interpolate`, {BASE}", row, row["peak / full logits"])


def _of_training(record: dict[str, Any]) -> Iterator[Row]:
    for row in rows_of(record, "steps", "steps", loss="recall"):
        how = "upsampling fused" if row["fused upsampling"] else "upsampled before"
        what = f"training step with recall, {row['network']}, {row['precision']}, {how}"
        yield _headline(what, f"the step with {BASE}", row, None)
    for row in rows_of(record, "data", "loaders", loader="lit_seg"):
        what, against = "loading CamVid with augmentation", "OpenCV and albumentations"
        yield _headline(what, against, {"ratio": 1 / row["times faster"]}, None)
    for how in ("", ", float32"):
        for row in rows_of(record, "whole_run", "whole run", contender=f"lit_seg, recall{how}"):
            what, against = "training on CamVid with recall, to the same step", "torchvision's loop"
            yield _headline(what + how, against, {"ratio": 1 / row["times faster"]}, None)


def _headline(what: str, against: str, row: Row, memory: float | None) -> Row:
    recycled = row.get("ratio, recycled")
    return {
        **{"what": what, "against": against.replace(BASE, f"`{BASE}`")},
        **{"time": _times(row["ratio"]), "with a caching allocator": _times(recycled)},
        "peak, times the logits": memory,
    }


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def every_loss(record: dict[str, Any]) -> list[Row]:
    """What each loss costs, ours and others."""
    return [
        {key: value for key, value in row.items() if key not in ("shape", "ms", "limit / time")}
        for row in rows_of(record, "losses", "losses", shape=SHAPE)
    ]


def training_cost(record: dict[str, Any]) -> list[Row]:
    """Fig. 5 of PAT."""
    return rows_of(record, "cost", "cost")


def growth(record: dict[str, Any]) -> list[Row]:
    """Table 2 of PAT: time and space, and the powers of the pixels with which they grow."""
    rows = rows_of(record, "curves", "pixels")
    if not rows:
        return []
    largest = max(row["pixels"] for row in rows)
    found = []
    for last in (row for row in rows if row["pixels"] == largest):
        loss = last["loss"]
        if loss == "limit":
            continue
        (base,) = (r for r in rows if r["pixels"] == largest and r["loss"] == BASE)
        (first,) = (r for r in rows if r["pixels"] == largest // 16 and r["loss"] == loss)
        powers = {
            f"{key.partition(',')[0]} grows with pixels to the power": math.log(
                last[key] / first[key], 16
            )
            for key in ("ms", "memory, MiB")
        }
        size = largest * 19 * 4 / 2**20
        found.append(
            {
                **{"loss": loss, f"time over {BASE}": last["ms"] / base["ms"]},
                **{"peak over the logits": last["memory, MiB"] / size, **powers},
            }
        )
    return found
