"""ADE20K SceneParse150: 150 classes of scenes indoors and outdoors."""

from functools import partial

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import Archive, DataCard, SplitName, read_classes
from lit_seg.data.label_maps import LabelMap, read_ids
from lit_seg.data.splits import FileSplit, matching_pairs
from lit_seg.errors import DataError, NotThereError
from lit_seg.metrics.labels import VOID

_ARCHIVE = "ADEChallengeData2016"
_FULL_RELEASE = (
    "as in the full ADE20K release; SceneParse150 has one channel with 0 to 150: use the labels of "
    f"{_ARCHIVE}.zip"
)
_FOLDERS = {"train": ("training", "ADE_train_*"), "val": ("validation", "ADE_val_*")}


class ADE20K(SegDataModule):
    """ADE20K in the version of the scene parsing challenge: 20210 / 2000 images, 150 classes.

    Layout below ``root``, which may also be the folder ``ADEChallengeData2016`` itself:
    ``ADEChallengeData2016/images/{training,validation}/<stem>.jpg`` and
    ``ADEChallengeData2016/annotations/{training,validation}/<stem>.png``. Labels are 8-bit, 1 to
    150 for the classes and 0 for all other objects, which becomes void: the challenge does not
    score it. A part of the images is accepted; an image without its label or a label without
    its image is not.

    The *full* ADE20K release is another download, of the same images with colour-coded labels of
    some 3000 classes: it is refused. The labels of the test split are not public.
    """

    folder = "ade20k"
    names, colours, counts = read_classes("ade20k")
    label_ids = tuple(range(1, len(names) + 1))
    void_id = 0
    card = DataCard(
        what="scenes indoors and outdoors of all kinds, 150 classes (SceneParse150)",
        images={"train": 20210, "val": 2000},
        licence="annotations and code BSD 3-clause, images for non-commercial research only",
        citation="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017; Semantic "
        "Understanding of Scenes through the ADE20K Dataset, IJCV 2019",
        how_to_get="SceneParse150 is ADEChallengeData2016.zip of "
        "http://sceneparsing.csail.mit.edu, unpacked.",
        downloads=(
            Archive(
                "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                "md5:7328b3957e407ddae1d3cbf487f149ef",
            ),
        ),
    )

    def split(self, name: SplitName) -> FileSplit:
        if name == "test":
            raise NotThereError("the test labels of ADE20K are not public: score on `val`")
        part, pattern = _FOLDERS[name]
        below = self.root / _ARCHIVE
        release = self.root if (self.root / "images").is_dir() and not below.is_dir() else below
        images, labels = (release / kind / part for kind in ("images", "annotations"))
        for folder in (images, labels):
            if not folder.is_dir():
                raise self._missing(folder)
        if not any(images.glob(f"{pattern}.jpg")):
            raise DataError(
                f"{images}: holds no {pattern}.jpg; sub-folders per scene are of the full ADE20K "
                f"release. {self.card.how_to_get}"
            )
        pairs = matching_pairs(images, "{}.jpg", labels, "{}.png", pattern)
        ids = {self.void_id: VOID} | {v: i for i, v in enumerate(self.label_ids)}
        read = partial(read_ids, why_not_colours=_FULL_RELEASE)
        return FileSplit(pairs, LabelMap(ids, read), how_to_get=self.card.how_to_get)
