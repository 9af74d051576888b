"""How large the masks of each class are: `python experiments/paper/mask_sizes.py pat_fig1.png`.

Fig. 1 of PAT, over all training labels of CamVid in place of four images of Cityscapes. A mask is
all pixels of a class in one image, as in the paper's S. Needs CamVid in $DATA_ROOT/camvid.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lit_seg.data import DATASETS


def main(picture: Path) -> None:
    """Print a row per class, the rarest last, and draw the sizes."""
    data = DATASETS["camvid"]()
    counts = np.asarray(data.image_counts, np.float64)  # (images, classes and void)
    shares = 100 * counts[:, :-1] / counts.sum(1, keepdims=True)
    order = np.argsort(-counts[:, :-1].sum(0))
    sizes = [shares[shares[:, c] > 0, c] for c in order]
    names = [data.names[c] for c in order]
    pixels = counts[:, :-1].sum(0)[order]

    print("| class | % of labelled pixels | masks | median mask, % of the image | 5 % to 95 % |")
    print("|---|---:|---:|---:|---|")
    for name, share, values in zip(names, 100 * pixels / pixels.sum(), sizes, strict=True):
        low, middle, high = np.percentile(values, [5, 50, 95])
        print(f"| {name} | {share:.2f} | {len(values)} | {middle:.3g} | {low:.2g} to {high:.2g} |")
    ratios = [row[row > 0].max() / row[row > 0].min() for row in shares]
    low, middle, high = np.percentile(ratios, [5, 50, 95])
    print(f"\nlargest over smallest mask of an image: median {middle:.0f}, ", end="")
    print(f"5 % to 95 %: {low:.0f} to {high:.0f}")
    largest = sum(row.max() for row in shares) / shares.sum()
    print(f"share of the labelled pixels that lies in the largest mask of an image: {largest:.2f}")

    figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
    bins = np.logspace(-3, 2, 51).tolist()
    for row, values in enumerate(sizes):
        heights, edges = np.histogram(values, bins)
        top = 0.85 * heights / heights.max()
        axis.fill_between(
            edges[:-1], -row, top - row, step="post", color="#0072B2", alpha=0.6, linewidth=0
        )
        axis.plot([np.median(values)] * 2, [-row, 0.85 - row], color="#D55E00", linewidth=1.5)
    axis.set(xscale="log", xlabel="mask size, % of the image (orange: median)")
    axis.set_yticks([-row for row in range(len(names))], names)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
