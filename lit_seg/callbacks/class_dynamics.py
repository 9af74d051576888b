"""What happens to each class while it trains: the statistics a loss offers, over the steps."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lit_seg.tasks import LitSegmenter


class ClassDynamics(Callback):
    """Logs every statistic of ``loss.class_stats()`` as ``class/<stat>/<class>``.

    A statistic called ``weight`` is logged normalised as well, ``class/weight_norm/<class>``: its
    share of the sum over classes decides what a loss looks at, while the sum only scales the
    gradient (arXiv 2106.14917, Fig. 4). Nothing is logged for a class whose value is NaN.

    Args:
        every_n_steps: how often.

    Raises:
        ValueError: if ``every_n_steps`` is below 1.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        if every_n_steps < 1:
            raise ValueError(f"`every_n_steps` must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._logged = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Steps up to here were logged, if the run was resumed."""
        self._logged = trainer.global_step - 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the statistics of this step."""
        assert isinstance(pl_module, LitSegmenter)
        step = trainer.global_step - 1  # of the step just done, counted from 0 like all metrics
        # under gradient accumulation several batches pass before a step is done
        if step % self.every_n_steps or step == self._logged:
            return
        self._logged = step
        stats = {
            name: values.detach().cpu() for name, values in pl_module.loss.class_stats().items()
        }
        if "weight" in stats:
            stats["weight_norm"] = stats["weight"] / stats["weight"].sum()
        metrics = {
            f"class/{stat}/{name}": value
            for stat, values in stats.items()
            for name, value in zip(pl_module.class_names, values.tolist(), strict=True)
            if value == value
        }
        if metrics:
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step)
