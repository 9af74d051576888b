"""The commands of ``python -m lit_seg`` besides training, one module each.

Each module has a function ``main(args)``, which returns the exit code.
"""

COMMANDS = {
    "dashboard": "the runs in W&B, in a view and a report that it publishes there",
    "data": "the datasets, and downloads, checks, counts and draws them",
    "diagnose": "whether imbalance is the bottleneck of a run, and which loss to try next",
    "losses": "the losses, their formulas and where they come from",
    "report": "finished runs compared, as one HTML page and as Markdown",
}
"""The name of each command, and what it shows."""
