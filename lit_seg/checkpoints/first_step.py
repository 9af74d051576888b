"""Lets callbacks wait until a run has proved that it can go on."""

from pytorch_lightning import Callback, LightningModule, Trainer


class AfterFirstStep(Callback):
    """A callback that writes into the run's folder when the first step is done, on the first rank.

    A step is the first thing that needs all of a checkpoint, and all memory. A run that cannot go
    on ends before it, and its folder stays as it was. `ExactResume` calls the method.
    """

    def after_first_step(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Act when the first step is done, or a validation before it, or if there is no step."""
        raise NotImplementedError
