"""The labels that a label map may hold, and the counts of a dataset's classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

VOID = 255
"""The label of pixels that no loss and no metric counts. Datasets map their own value to it."""

WIDE_VOID = 65535
"""The void label with more than 255 classes: the largest 16-bit value."""


def void_of(num_classes: int) -> int:
    """The label of void pixels among so many classes: ``VOID``, or ``WIDE_VOID`` above 255."""
    return VOID if num_classes <= VOID else WIDE_VOID


@dataclass(frozen=True)
class ClassCounts:
    """How much of each class a training set holds; None where it is not known.

    Attributes:
        pixels: pixels of each class, ``(C,)``.
        images: images that contain the class, ``(C,)``.
        image_pixels: pixels, void left out, of those images, ``(C,)``.

    Raises:
        ValueError: if they differ in length, are no whole numbers >= 0, or the images that contain
            a class hold fewer pixels than the class.
    """

    pixels: Sequence[int]
    images: Sequence[int] | None = None
    image_pixels: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("pixels", "images", "image_pixels"):
            counts = getattr(self, name)
            if counts is not None and len(counts) != len(self.pixels):
                raise ValueError(
                    f"`{name}` must have one entry per class like `pixels`, "
                    f"got {len(counts)} and {len(self.pixels)}"
                )
            if counts is not None and not are_counts(counts):
                raise ValueError(f"`{name}` must be whole numbers >= 0, got {list(counts)}")
        images = self.pixels if self.images is None else self.images
        if any(n and not k for n, k in zip(self.pixels, images, strict=True)):
            raise ValueError(
                "`images` must hold an image at least of each class with pixels, got "
                f"{list(images)} for {list(self.pixels)}"
            )
        image_pixels = self.pixels if self.image_pixels is None else self.image_pixels
        if any(n > k for n, k in zip(self.pixels, image_pixels, strict=True)):
            raise ValueError(
                "`image_pixels` holds all pixels of the images with a class, at least its own, got "
                f"{list(image_pixels)} for {list(self.pixels)}"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def first(self, num_classes: int) -> "ClassCounts":
        """The counts of the first ``num_classes`` classes."""
        parts = (self.pixels, self.images, self.image_pixels)
        return ClassCounts(*(None if part is None else part[:num_classes] for part in parts))  # type: ignore[arg-type]


Counts = Sequence[int] | ClassCounts
"""What a loss takes as its class counts: pixels per class, or more than that."""


def are_counts(numbers: Sequence[float]) -> bool:
    """Whether all of them are whole numbers >= 0."""
    return all(n >= 0 and float(n).is_integer() for n in numbers)


def known(flag: Tensor, what: str) -> bool:
    """The value of a flag that was computed from ``what``.

    Raises:
        ValueError: if there is none, as on the meta device and inside ``torch.func.vmap``.
    """
    try:
        return bool(flag)
    except RuntimeError as err:
        raise ValueError(
            f"{what} must hold values that can be read; on the meta device and inside "
            "`torch.func.vmap` there are none: take a real device, and a loop in place of `vmap`"
        ) from err


def check_predictions(preds: Tensor, target: Tensor, num_classes: int) -> None:
    """Refuse predictions of another shape, which would be broadcast, and labels that are no class.

    What is predicted where the label is void does not count and may be anything.

    Raises:
        ValueError: naming both shapes, or the labels.
    """
    if preds.shape != target.shape:
        raise ValueError(
            "`preds` and `target` must have the same shape, got "
            f"{tuple(preds.shape)} and {tuple(target.shape)}"
        )
    check_labels(target, num_classes)
    counted = preds.masked_fill(target == void_of(num_classes), 0)
    check_labels(counted, num_classes, "preds", void=False)


def are_legal(labels: Tensor, num_classes: int, void: bool = True) -> Tensor:
    """Where labels are classes or, if that is allowed, void: a mask like them."""
    legal = (labels >= 0) & (labels < num_classes)
    return legal | (labels == void_of(num_classes)) if void else legal


def check_labels(labels: Tensor, num_classes: int, what: str = "target", void: bool = True) -> None:
    """Refuse labels that are neither a class nor, if that is allowed, void.

    Such a label would be counted in another class, read foreign memory, or stop CUDA without a
    reason. On a GPU this waits for the labels.

    Raises:
        ValueError: naming the labels.
    """
    if not labels.numel():
        return
    least, most = labels.aminmax()  # takes a quarter of the time of a mask
    if known((least >= 0) & (most < num_classes), f"`{what}`"):
        return
    if void and num_classes <= void_of(num_classes):
        others = (labels >= num_classes).count_nonzero()
        voids = (labels == void_of(num_classes)).count_nonzero()
        if (least >= 0) & (others == voids):
            return
    wrong = labels[~are_legal(labels.long(), num_classes, void)]
    or_void = f" or {void_of(num_classes)} (void)" if void else ""
    raise ValueError(
        f"`{what}` must hold class ids 0 to {num_classes - 1}{or_void}, "
        f"got {sorted(set(wrong.tolist()))[:10]}"
    )
