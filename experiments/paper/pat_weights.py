"""What PAT and focal loss make of a pixel: `python experiments/paper/pat_weights.py pat_fig3.png`.

Fig. 3c and Table 1 of PAT: the factor on -log p, and the loss, against the confidence p of a pixel.
"""

import sys
from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from lit_seg.losses import PATLoss

GAMMAS = (2.0, 5.0)
TEMPERATURES = (2.0, 5.0, 20.0)
LOOKS = (("#D55E00", "o"), ("#009E73", "s"), ("#0072B2", "^"))
FORMS: dict[Literal["paper", "reciprocal"], str] = {"paper": "Eq. 5", "reciprocal": "Table 1"}


def factors(p: Tensor) -> dict[str, Tensor]:
    """Of focal loss and of PAT, as its Eq. 5 says and as its Table 1 prints."""
    found = {f"focal, γ = {gamma:g}": (1 - p) ** gamma for gamma in GAMMAS}
    for form, said in FORMS.items():
        for t in TEMPERATURES:
            pat = PATLoss([1, 1], temperature=t, weight_form=form)
            found[f"PAT by {said}, T = {t:g}"] = pat.factors(-p.log())
    return found


def table(title: str, p: Tensor, rows: dict[str, Tensor]) -> None:
    """Print a row per loss."""
    print(f"\n| {title} |", " | ".join(f"{value:.1f}" for value in p.tolist()), "|")
    print("|---|" + "---:|" * len(p))
    for name, values in rows.items():
        print(f"| {name} |", " | ".join(f"{value:.2f}" for value in values.tolist()), "|")


def main(picture: Path) -> None:
    """Print both tables and draw the factors."""
    p = torch.arange(2, 10, dtype=torch.float64) / 10
    table("factor at p =", p, factors(p))
    table("loss at p =", p, {name: w * -p.log() for name, w in factors(p).items()})

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
    p = torch.linspace(0.001, 1, 200, dtype=torch.float64)
    looks = dict(zip(TEMPERATURES, LOOKS, strict=True))
    for axis, said in zip(axes, FORMS.values(), strict=True):
        rows = factors(p)
        for gamma, dash in zip(GAMMAS, ("--", ":"), strict=True):
            name = f"focal, γ = {gamma:g}"
            axis.plot(p, rows[name], dash, color="#555555", label=name)
        for t, (colour, marker) in looks.items():
            values, name = rows[f"PAT by {said}, T = {t:g}"], f"PAT, T = {t:g}"
            axis.plot(p, values, marker, ls="-", markevery=33, ms=4, color=colour, label=name)
        axis.set(xlabel="confidence p of the true class", title=f"PAT as in {said}", ylim=(0, 1.7))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("factor on -log p")
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=5, loc="outside lower center")
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
