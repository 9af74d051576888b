"""Train every loss for a few hundred steps and print one table.

    python experiments/every_loss.py runs/every_loss --data camvid --steps 300

Each loss is a run like any other, `<folder>/<loss>`. Finished runs are left as they are and stopped
ones go on, so the command can be given again. One seed: the table shows that each loss trains, not
which is best.
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from rich.progress import track

EXPERIMENTS = Path(__file__).parent
COLUMNS = ("train/loss", "val/ce", "val/miou", "val/macc", "val/mprec", "val/pixel_acc")


def command(loss: str, args: argparse.Namespace) -> list[str]:
    """The command that `make train LOSS=... DATA=...` runs, with its own folder and size."""
    if (args.folder / loss / "checkpoints" / "last.ckpt").exists():
        return [sys.executable, "-m", "lit_seg", "fit", "--resume", str(args.folder / loss)]
    files = ("base", f"data/{args.data}", f"model/{args.model}", f"loss/{loss}")
    layers = [arg for file in files for arg in ("--config", str(EXPERIMENTS / f"{file}.yaml"))]
    options = {
        "seed_everything": args.seed,
        "run_dir": args.folder / loss,
        "trainer.max_steps": args.steps,
        "trainer.max_epochs": -1,
        "trainer.check_val_every_n_epoch": 10_000,  # once, after the last step
        "data.init_args.height": args.height,
        "data.init_args.width": args.width,
    }
    more = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "-m", "lit_seg", "fit", *layers, *more]


def last_values(run: Path) -> dict[str, float]:
    """The last value of each metric of a run."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {key: float(value) for row in rows for key, value in row.items() if value}


def main() -> None:
    """Run what is missing, then print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="camvid")
    parser.add_argument("--model", default="unet_resnet18")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    losses = sorted(path.stem for path in (EXPERIMENTS / "loss").glob("*.yaml"))
    failed = []
    for loss in track(losses, description="losses"):
        run = args.folder / loss
        if (run / "val_table.md").exists():
            continue
        run.mkdir(parents=True, exist_ok=True)
        with (run / "output.txt").open("w") as output:
            done = subprocess.run(
                command(loss, args), stdout=output, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode:
            failed.append(loss)
    print("| loss |", " | ".join(COLUMNS), "|")
    print("|---|" + "---:|" * len(COLUMNS))
    for loss in losses:
        if loss in failed:
            print(f"| {loss} | failed: see {args.folder / loss / 'output.txt'} |")
            continue
        values = last_values(args.folder / loss)
        print(f"| {loss} |", " | ".join(f"{values[key]:.3f}" for key in COLUMNS), "|")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
