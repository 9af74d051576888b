"""Callbacks that observe training and record it; they know no loss and no dataset."""

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.callbacks.cost import Cost
from lit_seg.callbacks.imbalance_report import ImbalanceReport
from lit_seg.callbacks.prediction_writer import PredictionWriter
from lit_seg.callbacks.progress import ProgressLines
from lit_seg.callbacks.run_summary import RunSummary
from lit_seg.callbacks.validation_report import ValidationReport
from lit_seg.checkpoints.best_and_last import BestCheckpoint, LastCheckpoint
from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.distributed.stop_signal import StopSignal

__all__ = [
    "BestCheckpoint",
    "ClassDynamics",
    "Cost",
    "ExactResume",
    "ImbalanceReport",
    "LastCheckpoint",
    "PredictionWriter",
    "ProgressLines",
    "RunSummary",
    "StopSignal",
    "ValidationReport",
]
