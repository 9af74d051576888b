"""What people train with, beside each loss that has a state: schedules, averages, early stopping.

What is refused, such as finders that would train on the loss's state before the run begins, is in
``test_lightning_callbacks``.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import EarlyStopping, EMAWeightAveraging, WeightAveraging
from torch import Tensor
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR, ReduceLROnPlateau, StepLR

from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.data import Streets
from lit_seg.losses import LossFactory
from lit_seg.tasks import LitSegmenter
from tests.conftest import EXPERIMENTS
from tests.same import same
from tests.tasks.test_segmentation import TINY, trainer

pytestmark = pytest.mark.usefixtures("few_streets")

STEPS = 8  # 2 epochs of 4


def factory(path: Path) -> LossFactory:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("loss", type=LossFactory)
    given = yaml.safe_load(path.read_text())["model"]["loss"]
    made: LossFactory = parser.instantiate(parser.parse_object({"loss": given})).loss
    return made


FACTORIES = {path.stem: factory(path) for path in sorted((EXPERIMENTS / "loss").glob("*.yaml"))}
STATEFUL = [name for name, make in FACTORIES.items() if make([4, 3, 2, 1]).state_dict()]
ONE_OF_EACH_STATE = ["ldam_drw", "metric_weighted", "recall", "seesaw"]

every_stateful_loss = pytest.mark.parametrize(
    "loss",
    [
        pytest.param(loss, marks=() if loss in ONE_OF_EACH_STATE else pytest.mark.slow)
        for loss in STATEFUL
    ],
)


def test_these_have_a_state() -> None:
    assert {*STATEFUL} == {*ONE_OF_EACH_STATE, "focal_drw", "recall_focal"}


def trained(
    loss: str, folder: Path, *callbacks: Callback, scheduler: Any = None, **options: Any
) -> LitSegmenter:
    """Train for two epochs on two small streets each step."""
    data = Streets(height=32, width=48, batch_size=4, num_workers=0)
    model_options = {key: options.pop(key) for key in ("optimizer", "lr_interval") & options.keys()}
    torch.manual_seed(0)
    model = LitSegmenter(
        data.class_counts,
        data.class_names,
        FACTORIES[loss],
        lr_scheduler=scheduler,
        **TINY,  # type: ignore[arg-type]
        **model_options,
    )
    options = {"max_epochs": 2, "limit_val_batches": 1, "num_sanity_val_steps": 0, **options}
    trainer(folder, callbacks=[ExactResume(), *callbacks], **options).fit(model, datamodule=data)
    return model


def state(model: LitSegmenter) -> dict[str, Tensor]:
    return {k: v for k, v in model.state_dict().items() if k.startswith("loss.")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LitSegmenter]:
    """The run of a loss with nothing beside it, once."""
    made: dict[str, LitSegmenter] = {}

    def get(loss: str) -> LitSegmenter:
        if loss not in made:
            made[loss] = trained(loss, tmp_path_factory.mktemp(loss))
        return made[loss]

    return get


class Watch(Callback):
    """Averages by hand, reads the weights that are scored, and saves within the second epoch."""

    def __init__(self, average: Callable[[Tensor, Tensor, int], Tensor]) -> None:
        self.average = average
        self.mean: dict[str, Tensor] = {}
        self.states: list[dict[str, Tensor]] = []
        self.checkpoint: dict[str, Any] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        for name, weight in pl_module.network.named_parameters():
            step = trainer.global_step - 1
            old = self.mean.get(name)
            new = weight.detach().clone()
            self.mean[name] = new if old is None else self.average(old, new, step)
        self.states.append({k: v.clone() for k, v in state(pl_module).items()})
        if trainer.global_step == 6:
            path = Path(trainer.default_root_dir) / "6.ckpt"
            trainer.save_checkpoint(path)
            self.checkpoint = torch.load(path, weights_only=False)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """The scored loss is that of the last step, the scored weights are averages."""
        assert same(state(pl_module), self.states[-1])
        weights = dict(pl_module.network.named_parameters())
        for name, mean in self.mean.items():
            torch.testing.assert_close(weights[name].detach(), mean)


AVERAGES: dict[str, tuple[Callable[[], Callback], Callable[[Tensor, Tensor, int], Tensor]]] = {
    "EMA": (partial(EMAWeightAveraging, decay=0.6), lambda old, new, _: 0.6 * old + 0.4 * new),
    "SWA": (WeightAveraging, lambda old, new, step: old + (new - old) / (step + 1)),
}


@pytest.mark.parametrize("kind", AVERAGES)
@every_stateful_loss
def test_weights_are_averaged_and_the_loss_is_not(
    loss: str, kind: str, tmp_path: Path, plain: Callable[[str], LitSegmenter]
) -> None:
    make, average = AVERAGES[kind]
    watch = Watch(average)
    model = trained(loss, tmp_path, make(), watch)
    # the average does not change the training, and its state ends as it does without
    assert same(state(model), state(plain(loss)))
    assert len(watch.states) == STEPS
    if "recall" in loss or loss == "seesaw":
        assert not same(watch.states[-1], watch.states[-2])
    for name, weight in model.network.named_parameters():
        torch.testing.assert_close(weight.detach(), watch.mean[name])
    assert not same(dict(model.network.named_parameters()), dict(plain(loss).named_parameters()))
    saved, current = (watch.checkpoint[key] for key in ("state_dict", "current_model_state"))
    ours = {key for key in saved if key.startswith("loss.")}
    assert ours == watch.states[5].keys()
    assert same({k: saved[k] for k in ours}, watch.states[5])
    counts = {k for k in saved if not saved[k].is_floating_point()}
    assert all(torch.equal(saved[k], current[k]) for k in counts)
    weights = [k for k in saved if k.endswith("weight")]
    assert not any(torch.equal(saved[k], current[k]) for k in weights)


def rate(model: LitSegmenter) -> float:
    found: float = model.trainer.optimizers[0].param_groups[0]["lr"]
    return found


@every_stateful_loss
def test_a_range_of_rates_is_a_run_of_its_own(loss: str, tmp_path: Path) -> None:
    """In place of a finder: what is tried leaves nothing to the run that follows."""
    rates = partial(ExponentialLR, gamma=1.5)
    model = trained(
        loss,
        tmp_path,
        scheduler=lambda optimizer, _: rates(optimizer),
        optimizer=lambda weights: SGD(weights, lr=1e-3),
        max_epochs=-1,
        max_steps=3,
        limit_val_batches=0,
    )
    assert rate(model) == pytest.approx(1e-3 * 1.5**3)
    assert model.trainer.callback_metrics["train/loss"].isfinite()


def test_a_schedule_by_epochs(tmp_path: Path, plain: Callable[[str], LitSegmenter]) -> None:
    model = trained(
        "recall",
        tmp_path,
        scheduler=lambda optimizer, epochs: StepLR(optimizer, epochs // 2, gamma=0.1),
        lr_interval="epoch",
    )
    assert rate(model) == pytest.approx(rate(plain("recall")) * 0.01)


def test_a_schedule_by_a_score(tmp_path: Path, plain: Callable[[str], LitSegmenter]) -> None:
    """No score is better by so much; the first validation counts as the best."""

    def schedule(optimizer: Any, _: int) -> ReduceLROnPlateau:
        return ReduceLROnPlateau(optimizer, patience=0, threshold=9.0, threshold_mode="abs")

    model = trained("seesaw", tmp_path, scheduler=schedule)
    assert rate(model) == pytest.approx(rate(plain("seesaw")) * 0.1)


def test_early_stopping(tmp_path: Path) -> None:
    stop = EarlyStopping("val/miou", mode="max", patience=1, min_delta=1.0)
    model = trained("ldam_drw", tmp_path, stop, max_epochs=5)
    assert model.global_step == STEPS


def test_gradients_are_clipped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    norms = []

    class Clipped(Callback):
        def on_before_zero_grad(self, trainer: Trainer, pl_module: Any, optimizer: Any) -> None:
            grads = [p.grad for p in pl_module.parameters() if p.grad is not None]
            if grads:
                norms.append(torch.nn.utils.get_total_norm(grads).item())

    trained("metric_weighted", tmp_path, Clipped(), gradient_clip_val=1e-3)
    assert norms
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)
