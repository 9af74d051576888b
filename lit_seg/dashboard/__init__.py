"""W&B dashboards as code: a saved view of a project's runs, and a report that explains it.

``topics`` has the questions and their panels, ``pages`` puts them into both pages and publishes
them. Both need ``wandb-workspaces``; the command `python -m lit_seg dashboard` says so where that
is missing.
"""
