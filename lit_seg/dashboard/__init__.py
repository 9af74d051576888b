"""W&B dashboards as code: a saved view of a project's runs, and a report that explains it.

``topics`` says what is shown, ``workspace`` and ``report`` where, ``publish`` sends it. Needs
``wandb-workspaces``, which the command `python -m lit_seg dashboard` asks for where it is missing.
"""

from lit_seg.dashboard.publishing import Published, publish
from lit_seg.dashboard.wandb_report import build_report
from lit_seg.dashboard.workspace import build_workspace

__all__ = ["Published", "build_report", "build_workspace", "publish"]
