"""The picture of a run in the README: `python experiments/picture.py <run> docs/run.png`.

Above the fixed validation images with truth, prediction and errors, below the weights over steps.
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from PIL import Image

from lit_seg.analysis import load_dataset, load_runs, plot_trajectories
from lit_seg.errors import RunError
from lit_seg.images.open_and_save import open_picture

matplotlib.use("Agg")


def main(run: Path, out: Path) -> None:
    """Draw the picture of a run and save it."""
    dataset = load_dataset(run)
    colours = dict(zip(dataset["class"], dataset["colour"], strict=True))
    if not (run / "overlays.png").is_file():
        raise RunError(f"{run}: has no overlays.png; give a run that was validated")
    overlays: Image.Image = open_picture(run / "overlays.png")
    overlays = overlays.crop((0, 0, overlays.width, overlays.height // 2))
    height = 9 * overlays.height / overlays.width
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(9, height + 4), height_ratios=(height, 4), layout="constrained"
    )
    above.imshow(overlays, interpolation="none")
    above.set_title("image, truth, prediction, errors", fontsize=10)
    above.axis("off")
    plot_trajectories(load_runs(run), "class/weight", below, colours, smooth=5)
    below.set_ylabel("weight of the class, 1 - recall")
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The picture of a run.", allow_abbrev=False)
    parser.add_argument("run", type=Path, help="folder of a run of recall loss with overlays.png")
    parser.add_argument("out", type=Path, help="file to write, such as docs/run.png")
    try:
        main(**vars(parser.parse_args()))
    except (RunError, ValueError) as error:  # the latter: no such statistic
        sys.exit(f"error: {error}")
