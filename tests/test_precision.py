"""Counts are exact whatever the network computes in, compiled or not, accumulated or not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lit_seg.losses import RecallLoss
from lit_seg.metrics.labels import VOID
from tests.same import same
from tests.test_cli import fit

Batch = tuple[Tensor, Tensor]


pytestmark = pytest.mark.usefixtures("few_streets")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The logits and labels that the loss is given while training."""
    batches: list[Batch] = []
    forward = RecallLoss.forward

    def noting(self: RecallLoss, logits: Tensor, target: Tensor) -> Tensor:
        if self.training:
            batches.append((logits.detach().clone(), target.clone()))
        return forward(self, logits, target)

    monkeypatch.setattr(RecallLoss, "forward", noting)
    return batches


def recall_of(batches: list[Batch], momentum: float) -> list[float | None]:
    """The moving average of each class over batches, counted pixel by pixel in float32."""
    average: list[float | None] = [None] * 12
    for logits, target in batches:
        hit = logits.float().argmax(1) == target
        for c in range(12):
            mine = target == c
            if mine.any():
                new = int((hit & mine).sum()) / int(mine.sum())
                old = average[c]
                average[c] = new if old is None else momentum * old + (1 - momentum) * new
    return average


def saved_recall(run: Path) -> Tensor:
    state = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    recall: Tensor = state["loss.state.value"]
    return recall


def assert_recall(run: Path, expected: list[float | None]) -> None:
    recall = saved_recall(run)
    assert recall.dtype == torch.float64
    for value, want in zip(recall.tolist(), expected, strict=True):
        assert want == pytest.approx(value, rel=1e-12) if want is not None else value != value


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("bf16-mixed", torch.bfloat16),
        ("bf16-true", torch.bfloat16),
        ("16-mixed", torch.bfloat16),  # what Lightning makes of it without a GPU
        ("16-true", torch.float16),
        ("64-true", torch.float64),
    ],
)
def test_counts_do_not_know_the_precision(
    precision: str, dtype: torch.dtype, tmp_path: Path, seen: list[Batch]
) -> None:
    options = ("--trainer.precision", precision, "--trainer.max_steps", "3")
    # Adam's 1e-8 is 0 in float16
    assert fit(tmp_path / "a", *options, "--model.optimizer.init_args.eps", "1e-4") == 0
    assert [logits.dtype for logits, _ in seen] == [dtype] * 3
    assert_recall(tmp_path / "a", recall_of(seen, momentum=0))
    table = (tmp_path / "a/val_table.md").read_text()
    assert "| road |" in table


def test_momentum_counts_batches_under_accumulation(tmp_path: Path, seen: list[Batch]) -> None:
    """An update of four batches is four steps of the average: each batch meets the weights that
    the batches before it gave, as in a run without accumulation."""
    options = ("--trainer.accumulate_grad_batches", "2", "--trainer.max_steps", "3")
    assert fit(tmp_path / "a", *options, "--model.loss.momentum", "0.9") == 0
    assert len(seen) == 6
    assert_recall(tmp_path / "a", recall_of(seen, momentum=0.9))
    # it is not the average over updates
    pairs = [tuple(map(torch.cat, zip(*seen[i : i + 2], strict=True))) for i in (0, 2, 4)]
    others = recall_of(pairs, momentum=0.9)
    assert any(a != pytest.approx(b) for a, b in zip(others, recall_of(seen, 0.9), strict=True))


@pytest.mark.slow  # the compiler takes its time
def test_a_compiled_network_trains_with_the_exact_loss(tmp_path: Path, seen: list[Batch]) -> None:
    steps = ("--trainer.max_steps", "3")
    assert fit(tmp_path / "plain", *steps) == 0
    plain = list(seen)
    seen.clear()
    # the backend that traces as all do, and computes what was traced as it stands
    assert fit(tmp_path / "compiled", *steps, "--model.compile", "eager") == 0
    assert same(plain, seen)
    assert_recall(tmp_path / "compiled", recall_of(seen, momentum=0))
    states = [
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("plain", "compiled")
    ]
    assert same(*states)


def test_every_valid_pixel_of_validation_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lit_seg.tasks import LitSegmenter

    targets: list[Tensor] = []
    step = LitSegmenter.validation_step

    def noting(self: LitSegmenter, batch: dict[str, Tensor], batch_idx: int) -> None:
        targets.append(batch["target"])
        step(self, batch, batch_idx)  # type: ignore[arg-type]

    sums = []
    monkeypatch.setattr(LitSegmenter, "validation_step", noting)
    monkeypatch.setattr(
        LitSegmenter, "on_fit_end", lambda self: sums.append(self.scores.confusion.sum(1).tolist())
    )
    options = ("--trainer.precision", "bf16-true", "--trainer.max_epochs", "1")
    assert fit(tmp_path / "a", *options) == 0
    labels = torch.cat([target.flatten() for target in targets])
    assert sums == [torch.bincount(labels[labels != VOID], minlength=12).tolist()]
