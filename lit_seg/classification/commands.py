"""The commands of ``python -m lit_seg.classification``. No library is imported here."""

COMMANDS = {
    "train": "trains a method on a dataset, both by name, after its first stage if it has one",
    "compare": "trains several methods on several seeds, and writes Tables 4 and 5",
    "fit": "trains by configuration files, or goes on with a run by --resume",
    "validate": "scores a run or a checkpoint on the validation images",
    "test": "scores a run or a checkpoint on the test images",
    "export": "writes what a run decides by as one file that runs without lit_seg (torch, ONNX)",
    "download": "fetches a dataset where its licence allows it, else tells how to get it",
}
"""What each command does."""

USAGE = "\n".join(
    ["usage: python -m lit_seg.classification COMMAND [options]", ""]
    + [f"  {name:10}{what}" for name, what in COMMANDS.items()]
    + ["", "`COMMAND --help` lists the options. `lit_seg report` and `diagnose` read the runs.", ""]
)
