"""A dataset of your own images and masks, described by a few lines of YAML."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.counting.count import ImageCounts
from lit_seg.data.datasets.own_folder.class_labels import folder_classes
from lit_seg.data.datasets.own_folder.division import FolderSplits
from lit_seg.data.file_lists import leads_out
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError
from lit_seg.files.escape import one_line
from lit_seg.images.bands import read_bands
from lit_seg.images.open_and_save import Array, open_picture
from lit_seg.metrics.labels import VOID

MAX_CHANNELS = 512
"""OpenCV resizes no more."""


class Folder(SegDataModule):
    """A folder of images and a folder of masks, of any and of differing sizes.

    An image and its mask are paired by name: ``images/a/b.jpg`` and ``masks/a/b.png``. Masks hold
    class ids (8 or 16 bits, 0 and 1 of one bit, the indices of a palette, or greys of three
    channels) if ``ids`` is given, else colours (RGB, RGBA, a palette, grey). Hidden files are
    ignored. Images are used as they are stored: an EXIF orientation does not turn them.

    Splits: ``{split}`` in ``images`` and ``masks`` stands for the folders train, val and test.
    Else ``splits`` gives each a list, which is a text file below ``root`` with an image (or an
    image and a mask) per line, or a fraction. Fractions are of the images in no list, or of the
    training list where there is one. Without ``splits`` the folders ``images/{train,val,test}``
    (``test`` only if its masks are there), else the lists ``{train,val,test}.txt`` are taken if
    they are there, with a tenth of the training images for validation if nothing else is; without
    them fractions of .8, .1 and .1. docs/own_data.md shows examples.

    Args:
        root: the folder; ``$DATA_ROOT/<name>`` by default.
        ids: class names, whose ids are then 0, 1, ...; or class name to its id, its ids or a range
            of them such as ``128-255`` in the masks.
        colours: class name to its colour or colours as [red, green, blue], with alpha as a fourth
            number if it counts. With ``ids`` they only colour pictures.
        ignore: ids or colours that are void. In masks of ids, 255 is void unless a class has it.
        threshold: the first value of the second of two classes, for grey edges between them.
        images: folder of the images below ``root``.
        masks: folder of the masks below ``root``; may be the same, or below that of the images.
        image_suffix: end of the names of images, such as ``_rgb.png``, in capitals or not; that of
            any image by default.
        mask_suffix: end of the names of masks in its place, such as ``_mask.png``; that of any
            lossless image by default.
        splits: train, val and test, each to a list, a folder for ``{split}`` or a fraction.
        channels: of the images; 3 are red, green and blue of 8 bits. Others have no names: 1 is
            grey, 4 may be RGBA, and TIFF has any number, all of 8 or 16 bits.
        mean: of each channel, as files hold it; measured on training images by default, or that
            which published weights expect of RGB.
        std: the same of the standard deviation.
        exclude: patterns of files or folders below ``root`` that are neither images nor masks, such
            as ``*_overlay.png`` or ``old/*``.
        name: of the dataset, in messages, tables and files, and for its default folder; the name
            of its YAML file by default, else that of ``root``.
        **options: options of :class:`SegDataModule`; ``height`` and ``width`` must be given.

    Raises:
        ValueError: if the classes, folders or splits make no sense.
    """

    folder = "folder"
    card = DataCard(
        what="your own images and masks, of any sizes, by a YAML file",
        images={},
        licence="yours",
        citation="yours",
        how_to_get="docs/own_data.md shows how to describe your images and masks in YAML.",
    )

    def __init__(
        self,
        root: str | None = None,
        ids: Any = None,  # what these must be is told with an example, not as a type of Python
        colours: Any = None,
        ignore: Any = None,
        threshold: int | None = None,
        images: str = "images",
        masks: str = "masks",
        image_suffix: str | None = None,
        mask_suffix: str | None = None,
        splits: Any = None,
        channels: int = 3,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        exclude: str | list[str] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        self._classes = folder_classes(ids, colours, ignore, threshold)
        self.names = tuple(map(one_line, self._classes.names))  # they become keys and lines
        self.colours = self._classes.palette
        self.label_ids, self.void_id = self._classes.label_ids, self._classes.void_id
        self.folder = name or Path(os.path.abspath(root or "folder")).name or "folder"
        if leads_out(self.folder) or set(self.folder) & set("/\\"):
            raise ValueError(f"`name` must be a name without slashes, got {self.folder!r}")
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"`channels` must be 1 to {MAX_CHANNELS}, got {channels}")
        self.channels, self.mean, self.std = channels, mean, std
        super().__init__(root=root, **options)
        suffixes = image_suffix, mask_suffix
        exclude = [exclude] if isinstance(exclude, str) else exclude or []
        self._found = FolderSplits(
            *(self.root, images, masks, *suffixes, splits, exclude), self._classes.allows_jpeg
        )

    def split(self, name: SplitName) -> FileSplit:
        read = partial(read_bands, channels=self.channels)
        return _FolderSplit(self._found.pairs(name), self._classes.read, self.root, read)

    def prepare_data(self) -> None:
        super().prepare_data()
        fits = self.trainer is None or self.trainer.state.fn == TrainerFn.FITTING
        if fits and (fault := self.fault_of_counts(self.image_counts)):
            raise DataError(fault)

    def fault_of_counts(self, counts: ImageCounts) -> str:
        *pixels, void = counts.sum(axis=0).tolist()
        absent = [name for name, n in zip(self.names, pixels, strict=True) if not n]
        if absent and void and self._classes.guesses_void and self._masks_hold_255():
            return (
                f"{self.root}: no training pixel is {absent[0]}, and the masks hold 255, which is "
                f"void as no option names it: give it to its class, such as `ids: {{..., "
                f"{absent[0]}: 255}}`, or say that it is void by `ignore: [255]`"
            )
        if len(self.names) - len(absent) + (self.void == "train" and void > 0) < 2:
            there = [name for name in self.names if name not in absent]
            return (
                f"{self.root}: every training pixel is {' or '.join([*there, 'void'])}, none is "
                f"{absent[0]}, so "
                "there is nothing to tell apart; the options must say what the masks hold"
            )
        return ""

    def _masks_hold_255(self) -> bool:
        """Whether 255 is stored in a training mask; others may be void too."""
        read = self._classes.read
        for _, mask in self._found.pairs("train"):
            with suppress(DataError):
                if isinstance(read, LabelMap) and (read.read(mask) == VOID).any():
                    return True
        return False

    def without_partner(self) -> list[Path]:
        return self._found.masks_without_image()


class _FolderSplit(FileSplit):
    """Adds to the error about sizes if the image lies on its side, which no viewer shows."""

    def load(self, index: int) -> tuple[Array, Array]:
        try:
            return super().load(index)
        except DataError as error:
            raise DataError(f"{error}{_turned(*self.pairs[index])}") from None


def _turned(image_path: Path, mask_path: Path) -> str:
    try:
        with open_picture(image_path) as image, open_picture(mask_path) as mask:
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            fits = mask.size == image.size[::-1] != image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return ""  # the first error tells the reason
    if orientation not in (5, 6, 7, 8) or not fits:
        return ""
    return (
        f". Its EXIF orientation ({orientation}) would turn the image to that size, but images are "
        "used as stored: turn it for good, such as by `mogrify -auto-orient`"
    )
