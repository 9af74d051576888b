"""What ``python -m lit_seg`` does beside training: one module per command, imported when asked for.

Each has a ``main(args) -> exit code``.
"""

COMMANDS = {
    "dashboard": "the runs in W&B, by a view and a report that it publishes there",
    "data": "the datasets, fetches, checks, counts and draws them",
    "diagnose": "whether imbalance is the bottleneck of a run, and which loss to try next",
    "losses": "the losses, their formulas and where they come from",
    "report": "finished runs compared, as one HTML page and as Markdown",
}
"""Name of the module, and what it shows."""
