"""What ``python -m lit_seg`` does beside training: one module per command, imported when asked for.

Each has a ``main(args) -> exit code``.
"""

COMMANDS = {
    "data": "the datasets, fetches, checks, counts and draws them",
    "losses": "the losses, their formulas and where they come from",
}
"""Name of the module, and what it shows."""
