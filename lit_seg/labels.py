"""What a label map may hold, and how much of each class a dataset holds."""

from collections.abc import Sequence
from dataclasses import dataclass

VOID = 255
"""The label of pixels that no loss and no metric looks at. Datasets map their own value to it."""


@dataclass(frozen=True)
class ClassCounts:
    """How much of each class a training set holds; None where it is not known.

    Attributes:
        pixels: pixels of each class, ``(C,)``.
        images: images that contain the class, ``(C,)``.
        image_pixels: pixels, void left out, of those images, ``(C,)``.

    Raises:
        ValueError: if they differ in length.
    """

    pixels: Sequence[int]
    images: Sequence[int] | None = None
    image_pixels: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("images", "image_pixels"):
            counts = getattr(self, name)
            if counts is not None and len(counts) != len(self.pixels):
                raise ValueError(
                    f"`{name}` must have one entry per class like `pixels`, "
                    f"got {len(counts)} and {len(self.pixels)}"
                )

    def __len__(self) -> int:
        return len(self.pixels)

    def first(self, num_classes: int) -> "ClassCounts":
        """The counts of the first ``num_classes`` classes."""
        parts = (self.pixels, self.images, self.image_pixels)
        return ClassCounts(*(None if part is None else part[:num_classes] for part in parts))  # type: ignore[arg-type]
