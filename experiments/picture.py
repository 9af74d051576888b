"""The picture of a run in the README: `python experiments/picture.py <run> docs/run.png`.

Above the fixed validation images with truth, prediction and errors, below the weights over steps.
"""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from PIL import Image

from lit_seg.analysis import load_dataset, load_runs, plot_trajectories

matplotlib.use("Agg")


def main(run: Path, out: Path) -> None:
    """Draw the picture of a run and save it."""
    dataset = load_dataset(run)
    colours = dict(zip(dataset["class"], dataset["colour"], strict=True))
    overlays = Image.open(run / "overlays.png")
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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
