"""Short trainings on the GPU: precision, determinism, resume, checkpoints, memory and waits."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.callbacks.cost import Cost
from lit_seg.losses import CrossEntropyLoss, PATLoss, RecallLoss, SegLoss
from lit_seg.tasks import LitSegmenter
from tests.gpu.training import SMALL, Losses, Step, differing, fit, last, segmenter, streets

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("few_streets")]

ASPP = {"architecture": "deeplabv3plus", "encoder": "resnet18", "options": {}}
"""With dropout, pooling to one pixel and upsampling of both kinds."""


def test_bf16_trains_and_validates(device: torch.device, tmp_path: Path) -> None:
    losses = Losses()
    validates = {"limit_val_batches": 2, "val_check_interval": 2}
    module, trainer = fit(
        device, tmp_path, 3, precision="bf16-mixed", callbacks=[losses], **validates
    )
    assert torch.stack(losses.values).isfinite().all()
    assert trainer.callback_metrics["val/loss"].isfinite()
    assert module.scores is not None
    assert next(module.parameters()).dtype == torch.float32
    assert module.loss.state.value.dtype == torch.float64  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_arrive_from_pinned_memory_without_a_wait(workers: int, cuda: torch.device) -> None:
    data = streets(num_workers=workers)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].is_pinned()
    assert batch["target"].is_pinned()
    module = segmenter(cuda, data)
    torch.cuda.set_sync_debug_mode("error")
    try:
        moved = module.transfer_batch_to_device(batch, torch.device("cuda", 0), 0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert moved["image"].is_cuda
    assert torch.equal(moved["target"].cpu(), batch["target"])


@pytest.mark.parametrize(
    ("loss", "precision"),
    [
        *((RecallLoss, precision) for precision in ("32-true", "bf16-mixed")),
        *((loss, "bf16-mixed") for loss in (PATLoss, CrossEntropyLoss)),
    ],
)
def test_deterministic_trainings_are_equal(
    loss: type[SegLoss], precision: str, device: torch.device, tmp_path: Path
) -> None:
    """All tensors of the checkpoint, and nothing that torch refuses."""
    for name in ("one", "other"):
        fit(device, tmp_path / name, 3, loss, deterministic=True, precision=precision)
    assert differing(last(tmp_path / "one"), last(tmp_path / "other")) == []


def test_deterministic_with_dropout_and_upsampling(device: torch.device, tmp_path: Path) -> None:
    """DeepLabV3+; "warn" in place of an error, and there is nothing to warn of."""
    if device.type == "cpu":
        pytest.skip("takes seconds on a CPU, where nothing else is tested by it")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for name in ("one", "other"):
            fit(device, tmp_path / name, 3, deterministic="warn", model=ASPP)
    assert differing(last(tmp_path / "one"), last(tmp_path / "other")) == []
    refused = {str(w.message)[:90] for w in found if "deterministic" in str(w.message)}
    assert refused == set()


@pytest.mark.parametrize("steps", [2, 4])
def test_a_resumed_training_ends_as_an_unbroken_one(
    steps: int, device: torch.device, tmp_path: Path
) -> None:
    """Within an epoch of four steps, and at its end."""
    same = {"deterministic": True, "loss": RecallLoss, "precision": "bf16-mixed"}
    fit(device, tmp_path / "unbroken", 6, **same)
    fit(device, tmp_path / "broken", steps, **same)
    stopped = last(tmp_path / "broken")
    module, _ = fit(device, tmp_path / "resumed", 6, resume=stopped, **same)
    assert module.global_step == 6
    assert differing(last(tmp_path / "unbroken"), last(tmp_path / "resumed")) == []


class Moments(Step):
    """Where the moments of the optimizer are, and where its counts of steps."""

    def after(self, trainer: Trainer) -> None:
        states = [s for s in trainer.optimizers[0].state.values() if "exp_avg" in s]
        self.places = [{s[key].device.type for s in states} for key in ("exp_avg", "step")]


def test_checkpoints_go_between_devices(device: torch.device, tmp_path: Path) -> None:
    """Training goes on on the CPU, on the device, and on the CPU again; scores stay alike."""
    cpu, network = torch.device("cpu"), SMALL["cpu"]
    path: Path | None = None
    for steps, place in ((2, cpu), (4, device), (6, cpu)):
        moments = Moments()
        own = {"model": network, "callbacks": [moments]}
        module, _ = fit(place, tmp_path / str(steps), steps, resume=path, **own)
        path = last(tmp_path / str(steps))
        assert module.global_step == steps
        assert moments.places == [{place.type}, {"cpu"}]  # a count on a GPU would be a wait
    image = streets().val_dataloader().dataset[0, 0, 0]["image"][None]
    logits = []
    for place in (cpu, device):
        module = LitSegmenter.load_from_checkpoint(
            last(tmp_path / "4"),
            map_location=place,
            class_counts=streets().class_counts,
            class_names=streets().class_names,
            loss=RecallLoss,
            **network,
        )
        assert module.loss.state.value.device.type == place.type  # type: ignore[union-attr]
        with torch.no_grad():
            logits.append(module.eval()(image.to(place)).cpu())
    # convolutions in TF32 keep three digits
    torch.testing.assert_close(logits[1], logits[0], rtol=2e-2, atol=2e-2)


class Memory(Step):
    """What is allocated on the GPU after some of the steps."""

    def __init__(self, *steps: int) -> None:
        self.steps = steps
        self.bytes: list[int] = []

    def after(self, trainer: Trainer) -> None:
        if trainer.global_step in self.steps:
            cuda = trainer.strategy.root_device.type == "cuda"
            self.bytes.append(torch.cuda.memory_allocated() if cuda else 0)


def test_memory_stays_the_same_for_200_steps(
    device: torch.device, tmp_path: Path, record_property: Any
) -> None:
    """On a CPU nothing is counted, and the way there is tried."""
    steps = (20, 200) if device.type == "cuda" else (2, 6)
    memory = Memory(*steps)
    callbacks = [memory, ClassDynamics(every_n_steps=5), Cost()]
    fit(device, tmp_path, steps[1], callbacks=callbacks, precision="bf16-mixed", saves=False)
    record_property("MiB at 20 and 200", [round(n / 2**20, 2) for n in memory.bytes])
    assert memory.bytes[1] - memory.bytes[0] < 2**20


class Waits(Step):
    """Where the CPU waits for the GPU in two steps, by file and line."""

    def __init__(self, first: int, device: torch.device) -> None:
        self.first = first
        self.cuda = device.type == "cuda"
        self.places: Counter[str] = Counter()
        self._step = 0
        self._caught: Any = None

    def before(self, batch: dict[str, Tensor]) -> None:
        if self._step == self.first:
            self._caught = warnings.catch_warnings(record=True)
            self._found = self._caught.__enter__()
            warnings.simplefilter("always")
            self.debug("warn")
        if self._step == self.first + 2:
            self.stop()
        self._step += 1

    def debug(self, mode: str) -> None:
        if self.cuda:
            torch.cuda.set_sync_debug_mode(mode)

    def stop(self) -> None:
        self.debug("default")
        self._caught.__exit__(None, None, None)
        for each in self._found:
            if "synchronizing CUDA operation" in str(each.message):
                self.places[f"{'/'.join(Path(each.filename).parts[-2:])}:{each.lineno}"] += 1


@pytest.mark.parametrize(
    ("loss", "resumed"),
    [*((loss, False) for loss in (CrossEntropyLoss, RecallLoss, PATLoss)), (RecallLoss, True)],
)
def test_waits_for_the_gpu_in_a_step(
    loss: type[SegLoss], resumed: bool, device: torch.device, tmp_path: Path, record_property: Any
) -> None:
    """One, after backward, also where the statistics of classes are logged.

    On a CPU nobody waits, and the way there is tried.
    """
    path, done = None, 0
    if resumed:
        done = 4  # an epoch
        fit(device, tmp_path / "before", done, loss)
        path = last(tmp_path / "before")
    waits, dynamics = Waits(first=1, device=device), ClassDynamics(every_n_steps=1)
    options = {"precision": "bf16-mixed", "log_every_n_steps": 100, "saves": False}
    fit(
        device,
        tmp_path / "run",
        done + 4,
        loss,
        resume=path,
        callbacks=[waits, dynamics],
        **options,
    )
    record_property("in two steps", dict(waits.places))
    assert waits.places.total() <= 2, dict(waits.places)
