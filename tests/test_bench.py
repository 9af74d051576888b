"""`make bench`: its measures are what they say, and its sections run, resume and are shown."""

import json
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.bench import __main__ as bench
from experiments.bench import excerpts, page, whole_run
from experiments.bench.claims import verdicts
from experiments.bench.contenders import torchvision_reference as reference
from experiments.bench.contenders.job import Job
from experiments.bench.measure import interleaved, peak
from experiments.bench.rivals import our_losses, published_recall
from experiments.bench.training_step import Step, ours, timed
from experiments.paper.check_camvid import shown_in
from lit_seg.losses import RecallLoss
from lit_seg.metrics.labels import VOID
from lit_seg.tasks import LitSegmenter

CPU = torch.device("cpu")
ALONE = ("losses", "upsampled", "curves")
"""Sections that are quick and need no process of their own."""


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that becomes ten times slower changes no ratio, and slow works have fewer turns."""
    now, calls = 0.0, {"base": 0, "double": 0, "slow": 0}

    def work(name: str, seconds: float) -> None:
        nonlocal now
        pace = 10 if calls["base"] % 2 else 1
        calls[name] += 1
        now += seconds * (1 if name == "base" else pace)

    # a round begins with the base, which sees the pace that its own call sets
    def base() -> None:
        nonlocal now
        calls["base"] += 1
        now += 10 if calls["base"] % 2 else 1

    works = {"base": base, "double": lambda: work("double", 2), "slow": lambda: work("slow", 30)}
    found = interleaved(works, CPU, seconds=1e-4, most=7, clock=lambda: now)
    assert found["base"].ratio == 1
    assert found["double"].ratio == 2
    assert found["slow"].ratio == 30


def test_the_rest_of_a_step_is_that_of_all() -> None:
    """Which scatters by half of it here; what the loss takes is told apart."""
    rests = chain.from_iterable(([9.0, 9.0], [14.0, 9.0], [9.0, 5.0], [5.0, 14.0], [9.0, 9.0]))

    def step(loss: float) -> Callable[[], list[tuple[float, float]]]:
        def work() -> list[tuple[float, float]]:
            rest = next(rests)
            return [(mark, 2 * mark) for mark in (0.0, 4.0, 4 + loss, rest + loss)]

        return work

    steps: dict[str, Any] = {"base": step(1), "half": step(0.5)}
    processor, wall = timed(steps, CPU, seconds=1e-9)  # three rounds after the warm-up
    assert processor == {"base": (10e3, 1, 1e3), "half": (9.5e3, 0.95, 500)}
    assert wall["half"] == (19e3, 0.95, 1000)


def test_a_step_is_timed_around_the_loss() -> None:
    """Both ways of upsampling give the loss of logits that the network upsampled, and a step."""
    sizes = {"image": (2, 3, 32, 32), "target": (2, 32, 32)}
    batch = {name: torch.randint(0, 2, size, dtype=torch.uint8) for name, size in sizes.items()}
    model = LitSegmenter([1, 1], architecture="deeplabv3plus", loss=RecallLoss).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0)
    expected = model.loss(model(batch["image"]), batch["target"])
    for fused in (True, False):
        found: list[Tensor] = []
        loss = ours(model.loss, model, fused)

        def kept(*args: Any, loss: Any = loss, found: list[Tensor] = found) -> Tensor:
            found.append(loss(*args))
            return found[-1]

        marks = Step(model, optimizer, kept, batch)()
        assert [sorted(clock) for clock in zip(*marks, strict=True)] == [
            list(clock) for clock in zip(*marks, strict=True)
        ]
        torch.testing.assert_close(found[0], expected)


def test_peak_is_what_is_held_at_one_time() -> None:
    def work() -> None:
        a = torch.zeros(1000, dtype=torch.uint8)
        b = torch.zeros(3000, dtype=torch.uint8)
        del a, b
        torch.zeros(2000, dtype=torch.uint8)

    assert peak(work, CPU) == pytest.approx(4000, abs=256)  # blocks are rounded


@pytest.mark.parametrize("seed", range(3))
def test_the_published_recall_loss_is_ours_with_misses_floored(seed: int) -> None:
    """Where nothing is void; void pixels only count in the mean there."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 5, 9, 7, generator=generator)
    target = torch.randint(0, 5, (2, 9, 7), generator=generator)
    ours = RecallLoss([1] * 5, floor_one=True)
    torch.testing.assert_close(published_recall(logits, target), ours(logits, target))
    target[:, :3] = VOID
    share = (target != VOID).float().mean()
    torch.testing.assert_close(published_recall(logits, target), share * ours(logits, target))


def test_every_loss_has_a_name() -> None:
    assert {"recall", "pat", "ce_dice"} <= our_losses([5, 3, 2]).keys()
    assert our_losses([5, 3, 2], ("ce", "blv")).keys() == {"ce", "blv"}


@pytest.mark.parametrize("name", ALONE)
def test_a_section_runs(name: str, tmp_path: Path) -> None:
    bench.run_section(name, tmp_path, quick=True)
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["status"] == "done"
    rows = list(chain.from_iterable(found["tables"].values()))
    assert rows
    assert not [row for row in rows if "error" in row]
    assert {"date", "commit"} == found["made"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in bench.SECTIONS if name not in ALONE])
def test_the_other_sections_run(name: str, tmp_path: Path) -> None:
    assert bench.main([name, "--quick", "--out", str(tmp_path)]) == 0
    (found,) = json.loads((tmp_path / bench.RESULT).read_text())["sections"]
    assert found["tables"]
    rows = chain.from_iterable(found["tables"].values())
    assert not [row for row in rows if "error" in row]


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(bench, "run_all", lambda names, *_: called.extend(names) or 0)
    written(tmp_path, "losses", [])
    written(tmp_path, "steps", [], status="running")
    written(tmp_path, "curves", [], quick=True)
    assert bench.main(["--out", str(tmp_path)]) == 0
    assert called == [name for name in bench.SECTIONS if name != "losses"]
    called.clear()
    assert bench.main(["losses", "--out", str(tmp_path)]) == 0
    assert called == ["losses"]


def written(
    folder: Path,
    name: str,
    rows: list[dict[str, object]],
    status: str = "done",
    quick: bool = False,
) -> None:
    folder.mkdir(exist_ok=True)
    found = {"name": name, "status": status, "quick": quick, "tables": {"t": rows}}
    (folder / f"{name}.json").write_text(json.dumps(found))


def test_both_allocators_stand_in_one_row(tmp_path: Path) -> None:
    named = [{"shape": "2x3", "loss": "a"}, {"shape": "2x3", "loss": "b"}, {"loss": "c"}]
    for folder, ratios in ((tmp_path, (0.5, 2.0, 3.0)), (tmp_path / "recycled", (1.0, 4.0))):
        rows = [dict(n, ms=9 * r, ratio=r) for n, r in zip(named, ratios, strict=False)]
        written(folder, "losses", rows)
    rows = bench.merged(tmp_path, "losses")["tables"]["t"]
    assert [row.get("ratio, recycled") for row in rows] == [1.0, 4.0, None]
    assert [row["ratio"] for row in rows] == [0.5, 2.0, 3.0]


def test_an_unknown_section_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["speeed"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'speeed'" in error
    assert "whole_run" in error


def test_the_reference_loop_loads_as_torchvision_does(tmp_path: Path) -> None:
    """Sizes, void where a crop reaches beyond the image, and the largest size of a batch."""
    sizes = {"size": (8, 12), "scale": (0.5, 0.5), "batch": 2, "epochs": 1, "folder": ""}
    whole_run.write_dataset(tmp_path, 2, (16, 24))
    pair = (str(tmp_path / "images/train/0.png"), str(tmp_path / "masks/train/0.png"))
    job = Job(**{"train": [pair], "val": [pair]}, classes=11, void=0, **sizes)
    image, label = reference.Pairs(job.train, job, train=True)[0]
    assert image.shape == (3, 8, 12)
    assert label.shape == (8, 12)
    assert (label[4:] == VOID).all()
    assert (label[:, 6:] == VOID).all()
    image, label = reference.Pairs(job.val, job, train=False)[0]
    assert not (label == 0).any()  # the void of the files
    both: tuple[Tensor, Tensor] = reference.collate([(image, label), (image[:, :4], label[:4])])
    assert both[0].shape == (2, 3, 8, 12)
    assert (both[1][1, 4:] == VOID).all()


@pytest.mark.parametrize(
    ("ratio", "word"), [(0.9, "**held**"), (0.99, "no difference"), (1.03, "**not held**")]
)
def test_a_claim_is_held_only_where_there_is_a_difference(ratio: float, word: str) -> None:
    (row,) = verdicts(
        [{"loss": "a", "s": ratio * 5}, {"loss": "b", "s": 5.0}], (("time", "a", "b", "s"),)
    )
    assert row["verdict"].endswith(word)
    assert row["claim"] == "a takes less time than b"


def test_pages_show_the_record() -> None:
    record = json.loads(page.RECORD.read_text())
    assert page.PAGE.read_text().partition(page.MARK)[2] == "\n" + page.as_text(record)
    found = excerpts.excerpts(record)
    assert ("README.md", "speed") in found
    for (path, name), lines in found.items():
        assert shown_in(page.ROOT / path)[name] == lines, path
    assert record["machine"]["CPU"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", s["made"]["date"]) for s in record["sections"])
