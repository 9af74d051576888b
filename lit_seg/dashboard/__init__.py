"""W&B dashboards as code: a saved view of a project's runs, and a report that explains it.

``topics`` lists the plots, ``workspace`` and ``wandb_report`` arrange them, and ``publishing``
sends them to W&B. The package ``wandb-workspaces`` is needed.
"""

from lit_seg.dashboard.publishing import Published, publish
from lit_seg.dashboard.spec import spec_of
from lit_seg.dashboard.wandb_report import build_report
from lit_seg.dashboard.workspace import build_workspace

__all__ = ["Published", "build_report", "build_workspace", "publish", "spec_of"]
