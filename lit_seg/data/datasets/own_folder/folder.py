"""Your own images and masks, described by a few lines of YAML."""

from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.datasets.own_folder.class_labels import folder_classes
from lit_seg.data.datasets.own_folder.division import FolderSplits
from lit_seg.data.splits import FileSplit
from lit_seg.data.transforms import Array
from lit_seg.errors import DataError
from lit_seg.files.escape import one_line
from lit_seg.files.picture import open_picture


class Folder(SegDataModule):
    """A folder of images and a folder of masks, of any and of differing sizes.

    An image and its mask are paired by name: ``images/a/b.jpg`` and ``masks/a/b.png``. Masks hold
    class ids (8 or 16 bits, 0 and 1 of one bit, or the indices of a palette) if ``ids`` is given,
    else colours (RGB, RGBA, a palette, grey). Hidden files are ignored. Images are used as they
    are stored: an EXIF orientation does not turn them.

    Splits: ``{split}`` in ``images`` and ``masks`` stands for the folders train, val and test.
    Else ``splits`` gives each a list, which is a text file below ``root`` with an image (or an
    image and a mask) per line, or a fraction. Fractions are of the images in no list, or of the
    training list where there is one. Without ``splits`` the folders ``images/{train,val,test}``
    (``test`` only if its masks are there), else the lists ``{train,val,test}.txt`` are taken if
    they are there, with a tenth of the training images for validation if nothing else is; without
    them fractions of .8, .1 and .1. docs/own_data.md shows examples.

    Args:
        root: the folder; ``$DATA_ROOT/<name>`` by default.
        ids: class names, whose ids are then 0, 1, ...; or class name to its id or ids in the masks.
        colours: class name to its colour or colours as [red, green, blue], with alpha as a fourth
            number if it counts. With ``ids`` they only colour pictures.
        ignore: ids or colours that are void. In masks of ids, 255 is void unless a class has it.
        images: folder of the images below ``root``.
        masks: folder of the masks below ``root``; may be the same, or below that of the images.
        image_suffix: end of the names of images, such as ``_rgb.png``, in capitals or not; that of
            any image by default.
        mask_suffix: end of the names of masks in its place, such as ``_mask.png``; that of any
            lossless image by default.
        splits: train, val and test, each to a list, a folder for ``{split}`` or a fraction.
        name: of the dataset, in messages and for its default folder.
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
        ids: list[str] | dict[str, int | list[int]] | None = None,
        colours: dict[str, list[int] | list[list[int]]] | None = None,
        ignore: list[int] | list[list[int]] | None = None,
        images: str = "images",
        masks: str = "masks",
        image_suffix: str | None = None,
        mask_suffix: str | None = None,
        splits: dict[str, float | str] | None = None,
        name: str = "folder",
        **options: Any,
    ) -> None:
        names, self.colours, self._read = folder_classes(ids, colours, ignore)
        self.names = tuple(map(one_line, names))  # they become keys and lines of files
        self.folder = name
        super().__init__(root=root, **options)
        suffixes = image_suffix, mask_suffix
        self._found = FolderSplits(self.root, images, masks, *suffixes, splits)

    def split(self, name: SplitName) -> FileSplit:
        return _FolderSplit(self._found.pairs(name), self._read, self.root)

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
