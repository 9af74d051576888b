"""Cityscapes: 19 classes of street scenes from 50 cities, in the official layout."""

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName, read_classes
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit, matching_pairs
from lit_seg.errors import DataError, NotThereError
from lit_seg.metrics.labels import VOID

_NUM_IDS = 34
_IMAGE = "{}_leftImg8bit.png"
_LABEL = "{}_gtFine_labelIds.png"
_STEM = "[!.]*/[!.]*"  # <city>/<stem>, without what macOS leaves


class Cityscapes(SegDataModule):
    """Cityscapes with fine labels: 2975 / 500 images of 1024x2048, 19 classes.

    Layout below ``root``, as in the two official archives:
    ``leftImg8bit/{train,val}/<city>/<stem>_leftImg8bit.png`` and
    ``gtFine/{train,val}/<city>/<stem>_gtFine_labelIds.png``. Label ids 0 to 33 become the 19
    official training classes, all others become void; ``labelTrainIds`` files, which the
    archive does not hold, are not needed. A part of the cities is accepted; an image without its
    label or a label without its image is not.

    The labels of the official test split are dummies, so it cannot be scored.
    """

    folder = "cityscapes"
    names, colours, counts = read_classes("cityscapes")
    label_ids = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    void_id = 0
    native_size = (1024, 2048)
    card = DataCard(
        what="street scenes of 50 cities, 19 classes",
        images={"train": 2975, "val": 500},
        licence="research and teaching, to be agreed to at registration",
        citation="Cordts et al., The Cityscapes Dataset, CVPR 2016",
        how_to_get="Cityscapes needs a free account at https://www.cityscapes-dataset.com: "
        "download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip and unpack both into "
        "one folder.",
    )

    def split(self, name: SplitName) -> FileSplit:
        if name == "test":
            raise NotThereError("the test labels of Cityscapes are not public: score on `val`")
        images, labels = (self.root / kind / name for kind in ("leftImg8bit", "gtFine"))
        if not images.is_dir():
            raise self._missing(images)
        if not any(images.glob(_IMAGE.format(_STEM))):
            some = _IMAGE.format("<city>/*")
            raise DataError(f"{images}: holds no {some}. {self.card.how_to_get}")
        pairs = matching_pairs(images, _IMAGE, labels, _LABEL, _STEM)
        ids = dict.fromkeys(range(_NUM_IDS), VOID) | {v: i for i, v in enumerate(self.label_ids)}
        return FileSplit(pairs, LabelMap(ids), how_to_get=self.card.how_to_get)
