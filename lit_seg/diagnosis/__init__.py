"""Tells from the files of a run whether class imbalance is its bottleneck."""

from lit_seg.diagnosis.evidence import Evidence, weigh
from lit_seg.diagnosis.reading import RunFiles, read_run
from lit_seg.diagnosis.rules import RULES
from lit_seg.diagnosis.verdict import Verdict, judge

__all__ = ["RULES", "Evidence", "RunFiles", "Verdict", "judge", "read_run", "weigh"]
