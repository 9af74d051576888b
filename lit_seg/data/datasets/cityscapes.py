"""Cityscapes: 19 classes of street scenes from 50 cities, in the official layout."""

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.file_lists import require_files
from lit_seg.data.label_maps import Colour, LabelMap
from lit_seg.data.splits import FileSplit, matching_pairs
from lit_seg.errors import DataError, NotThereError
from lit_seg.metrics.labels import VOID, ClassCounts

_TRAINED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_NUM_IDS = 34
_IMAGE = "_leftImg8bit.png"
_LABEL = "_gtFine_labelIds.png"
_STEM = "[!.]*/[!.]*"  # <city>/<stem>, without what macOS leaves
_CLASSES: dict[str, Colour] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic_light": (250, 170, 30),
    "traffic_sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
"""RGB of each class, in the order of the ids."""


class Cityscapes(SegDataModule):
    """Cityscapes with fine labels: 2975 / 500 images of 1024x2048, 19 classes.

    Layout below ``root``, as in the two official archives:
    ``leftImg8bit/{train,val}/<city>/<stem>_leftImg8bit.png`` and
    ``gtFine/{train,val}/<city>/<stem>_gtFine_labelIds.png``. Label ids 0 to 33 become the 19
    official training classes, all others become void; ``labelTrainIds`` files, which the
    archive does not hold, are not needed. A part of the cities is accepted; an image without its
    label or a label without its image is not.

    The labels of the official test split are dummies, so it cannot be scored.

    Reference: Cordts et al., *The Cityscapes Dataset*, CVPR 2016.
    """

    folder = "cityscapes"
    names = tuple(_CLASSES)
    colours = tuple(_CLASSES.values())
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
    # The whole training split, as published in dvlab-research/Parametric-Contrastive-Learning at
    # bc5c42e, GPaCo/Seg/stats/cityscapes_pix_label_stats.txt.
    # `python -m lit_seg data count cityscapes` counts them again.
    # fmt: off
    counts = ClassCounts(
        pixels=(
            2036416525, 336090793, 1260636120, 36199498, 48454166, 67789506, 11477088,
            30448193, 879783988, 63949536, 221979646, 67326424, 7463162, 386328286,
            14772328, 12990290, 12863955, 5449152, 22861233,
        ),
    )
    # fmt: on

    def split(self, name: SplitName) -> FileSplit:
        if name == "test":
            raise NotThereError("the test labels of Cityscapes are not public: score on `val`")
        images, labels = (self.root / kind / name for kind in ("leftImg8bit", "gtFine"))
        if not images.is_dir():
            raise self._missing(images)
        if not any(images.glob(f"{_STEM}{_IMAGE}")):
            raise DataError(f"{images}: holds no <city>/*{_IMAGE}. {self.card.how_to_get}")
        pairs = matching_pairs(images, _IMAGE, labels, _LABEL, _STEM)
        require_files(pairs, self.card.how_to_get)
        ids = dict.fromkeys(range(_NUM_IDS), VOID) | {v: i for i, v in enumerate(_TRAINED_IDS)}
        return FileSplit(pairs, LabelMap(ids))
