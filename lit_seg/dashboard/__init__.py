"""W&B dashboards as code: a saved view of a project's runs, and a report that explains it.

``topics`` has the questions and their panels, ``pages`` puts them into both pages and publishes
them. It needs ``wandb-workspaces``; the command `python -m lit_seg dashboard` says so where that is
missing.
"""

from lit_seg.dashboard.pages import Published, build_report, build_workspace, publish

__all__ = ["Published", "build_report", "build_workspace", "publish"]
