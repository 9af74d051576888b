"""Writes the card of an exported network: what it is, its scores, and how it is used."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from lit_seg.data import DATASETS
from lit_seg.errors import plural
from lit_seg.export.deployed import DeployedNetwork
from lit_seg.export.parity import TOLERANCE
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.escape import markdown, one_line
from lit_seg.files.torch_file import read_plain
from lit_seg.inference.exported import METADATA
from lit_seg.metrics.scores import CLASS_STATS
from lit_seg.runs.csv_rows import metrics, tidy
from lit_seg.runs.layout import CONFIG, METRICS
from lit_seg.runs.records import stat_of
from lit_seg.runs.score_table import markdown_table
from lit_seg.runs.summary import RunScores, options_of, read_summary, run_scores

CARD = "README.md"
_HOW = (
    *("model.loss", "model.architecture", "model.encoder", "model.options", "model.weights"),
    *("model.optimizer", "model.lr_scheduler", "data.init_args", "data.sampling"),
    *("trainer.max_epochs", "trainer.max_steps", "trainer.precision", "seed_everything"),
)
"""Options of a run that its card shows, or the beginnings of their names."""
_NOT = (".root", ".num_workers", ".download")
"""Endings of options that say where it was trained, not how."""


def write_card(
    folder: Path,
    run: Path,
    checkpoint: Path,
    network: DeployedNetwork,
    metadata: Mapping[str, Any],
    differences: Mapping[tuple[int, int], float],
) -> None:
    """Write ``README.md`` into the folder of an export.

    Args:
        folder: of the export.
        run: the run, whose log has the scores of the checkpoint if it was validated; otherwise
            those of the last validation are shown, and the card says so.
        checkpoint: of the run.
        network: what was exported.
        metadata: that of the export.
        differences: largest difference of a logit, by height and width of the images.
    """
    summary = read_summary(run)
    after = read_plain(checkpoint).get("global_step", 0)
    scores = _scores_after(run, after, metadata["class_names"], metadata["class_pixels"])
    of_others = False
    if scores is None and summary is not None:
        scores, of_others = summary.scores, summary.steps != after
    environment = Environment(
        loader=PackageLoader("lit_seg", "export"),
        autoescape=False,  # Markdown, by the filter
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"markdown": lambda value: markdown(str(value)), "plural": plural}
    form = metadata["data_format"]
    dataset = DATASETS.get(form["dataset"])
    text = environment.get_template("card.md.jinja").render(
        **metadata,
        network=type(network.network).__name__,
        parameters=sum(each.numel() for each in network.network.parameters()),
        channels=network.pixel_mean.shape[1],
        size=network.size,
        files=sorted(file.name for file in folder.iterdir()),
        checkpoint=checkpoint.name,
        epochs=summary and summary.epochs,
        steps=summary and summary.steps,
        after=after,
        of_others=of_others,
        scores=scores and markdown_table(scores),
        options=_options(run),
        differences=differences,
        tolerance=TOLERANCE,
        metadata_name=METADATA,
        torch_version=torch.__version__.partition("+")[0],
        licence=dataset and dataset.card.licence,
    )
    replace_text(folder / CARD, text)


def _options(run: Path) -> dict[str, str]:
    """Choose the options that say how a run was trained, as code in Markdown."""
    if not (run / CONFIG).is_file():
        return {}
    return {
        name: one_line(str(value)).replace("`", "'").replace("|", "\\|")
        for name, value in options_of(run).items()
        if value is not None and not name.endswith(_NOT)
        if any(name == start or name.startswith(f"{start}.") for start in _HOW)
    }


def _scores_after(
    run: Path, steps: int, names: Sequence[str], train_pixels: Sequence[int]
) -> RunScores | None:
    """Read the scores of the weights after so many steps; None if they were not validated."""
    table = tidy(metrics(run / METRICS, ["val"]))
    table = table[table["step"] == steps - 1]  # steps are logged from 0
    found = table.set_index(["stat", "class"])["value"]
    if ("val/pixel_acc", "") not in found.index:
        return None
    keys = [[(stat_of("val", stat), name) for name in names] for stat in CLASS_STATS]
    per_class = [found.reindex(of_stat).to_numpy(float) for of_stat in keys]
    return run_scores(names, train_pixels, per_class, float(found["val/pixel_acc", ""]))
