"""Is class imbalance the bottleneck of a run? Answered from the files that the run left."""

from lit_seg.diagnosis.evidence import Evidence, weigh
from lit_seg.diagnosis.rules import RULES
from lit_seg.diagnosis.run_record import RunRecord, read_run
from lit_seg.diagnosis.verdict import Verdict, judge

__all__ = ["RULES", "Evidence", "RunRecord", "Verdict", "judge", "read_run", "weigh"]
