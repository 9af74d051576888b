"""The same images seen by each loss."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.report.blocks import Block, Legend, Section, Text
from lit_seg.report.pictures import colours_of, pictures_of


def section(comparison: Comparison) -> Section | None:
    """Image, truth and predictions, with an inset; nothing if no run left pictures."""
    found = pictures_of(comparison)
    if not found:
        return None
    blocks: list[Block] = [
        Text(
            "Validation images chosen from their labels alone, one seed of each loss. Below each: "
            "the window with most pixels of one class, the rarest in the image that no image above "
            "was about, enlarged; how many pixels of the whole image are wrong; and of that class "
            "how many are found, and how many predicted falsely. Few images prove nothing: that is "
            "for the tables."
        ),
        Legend(
            "Colours",
            [*zip(colours_of(comparison), comparison.classes, strict=True), ("#000000", "void")],
        ),
        *found,
    ]
    return Section("pictures", "Side by side", blocks)
