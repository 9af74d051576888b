"""NYUv2: indoor scenes in 13 or 40 classes, from the official .mat, from PNGs or from MTAN."""

from typing import Any, Literal, get_args

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import Archive, DataCard, SplitName, read_classes
from lit_seg.data.datasets.nyuv2.mat import HOW_TO_GET, LABELED, MatSplit
from lit_seg.data.datasets.nyuv2.single_files import (
    LABEL_13,
    class13_split,
    has_class13,
    label40_split,
    mtan_split,
)
from lit_seg.data.splits import MixedSplit, Split, random_parts
from lit_seg.errors import DataError, check_choice
from lit_seg.metrics.labels import VOID

_CLASSES = {number: read_classes(f"nyuv2_{number}") for number in (13, 40)}
# class13Mapping.mat: the group, 1 to 13, of each of the 40 classes
# fmt: off
_OF_13 = (
    12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5,
    7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
)
# fmt: on
_CLASS13 = f"{LABEL_13}NNNN.png"
_LABEL40 = "RGB/ and Label/"
_MTAN = "{train,val}/image/"
_LAYOUTS = {LABELED: "mat", _CLASS13: "png", _LABEL40: "png", _MTAN: "mtan"}
"""What identifies a layout below the root, and its ``layout`` option."""


class NYUv2(SegDataModule):
    """NYUv2: 795 / 654 images of 480x640, 13 or 40 classes.

    As the field does, validation is on the official test set, and ``test`` is the same images. The
    best checkpoint of a run is thus chosen on the images that it is scored on, so its ``val`` and
    ``test`` scores are optimistic. The scores of ``last.ckpt`` are not, nor are the ``test`` scores
    of ``protocol="pat"``, which has separate validation images.

    Layouts below ``root``, each alone or named by ``layout``:

    * ``mat``: ``nyu_depth_v2_labeled.mat``, and beside it ``splits.mat`` and
      ``classMapping40.mat``. It is HDF5 with swapped axes; labels are 16-bit, 0 for void and 1 to
      894, which ``classMapping40.mat`` maps to 40 classes.
    * ``png``, 13 classes: ``new_nyu_class13_NNNN.png`` and ``nyu_rgb_NNNN.png`` in ``root`` or up
      to two folders deeper, and ``splits.mat``. Images and labels are paired by their numbers,
      which are those of the .mat, from 1. Labels are 0 for void and 1 to 13. A part of the files
      is accepted; labels without images can be counted.
    * ``png``, 40 classes: ``RGB/<x>.jpg`` (or .png), ``Label/<x>.png``, ``train.txt`` and
      ``test.txt``, as in repositories for RGB-D. Labels are 0 for void and 1 to 40.
    * ``mtan``: ``{train,val}/{image,label}/<i>.npy`` of 288x384, whose labels are -1 for void and
      0 to 12. They are scaled to ``height`` and ``width`` like the others.

    Images have a white frame of some pixels, where most labels are void; it is not cropped. (The
    benchmark crop of the toolbox, rows 45 to 471 and columns 41 to 601 from 1, is where depth is
    known. Labels reach beyond it.)

    Args:
        classes: 13, or 40 where the layout has them.
        layout: ``"auto"`` takes the layout that the root holds.
        protocol: ``"official"``, or ``"pat"`` for that of Pixel-wise Adaptive Training: all 1449
            images, divided at random into 1160 / 145 / 144, so that splits share scenes. The
            authors draw without a seed, so their splits are lost; here the sorted names are always
            divided in the same way. They also train void: ``void="train"``.
        **options: options of :class:`SegDataModule`.
    """

    folder = "nyuv2"
    names, colours, counts = _CLASSES[13]
    void_id = 0
    native_size = (480, 640)
    card = DataCard(
        what="indoor scenes from a hand-held camera, 13 or 40 classes",
        images={"train": 795, "val": 654, "test": 654},
        licence="none stated; published for research",
        citation="Silberman et al., Indoor Segmentation and Support Inference from RGBD Images, "
        "ECCV 2012",
        how_to_get=HOW_TO_GET,
        downloads=(
            Archive(
                "http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat",
                "md5:520609c519fba3ba5ac58c8fefcc3530",
                unpack=False,
                size=2972037809,
            ),
            Archive(
                "http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat",
                "md5:08e3c3aea27130ac7c01ffd739a4535f",
                unpack=False,
            ),
            Archive(  # no checksum of it is published: this is of the file at that commit
                "https://raw.githubusercontent.com/ankurhanda/nyuv2-meta-data/"
                "b92d15c506876dada1ac4086938e30ebc4deb49b/classMapping40.mat",
                "sha256:ff177194cce9a2163517f1e1e6f1c64c50987162f542dedddc04bbf6ebe6d851",
                unpack=False,
            ),
        ),
    )

    def __init__(
        self,
        classes: Literal[13, 40] = 13,
        layout: Literal["auto", "mat", "png", "mtan"] = "auto",
        protocol: Literal["official", "pat"] = "official",
        **options: Any,
    ) -> None:
        check_choice("classes", classes, (13, 40))
        check_choice("layout", layout, ("auto", "mat", "png", "mtan"))
        check_choice("protocol", protocol, ("official", "pat"))
        self.names, self.colours, _ = _CLASSES[classes]
        self.label_ids = tuple(range(1, classes + 1))  # of PNGs; MTAN's arrays begin with 0
        self.layout, self.protocol = layout, protocol
        super().__init__(**options)

    @property
    def label_meaning(self) -> str:
        return f"{super().label_meaning} layout={self._found()}"

    def split(self, name: SplitName) -> Split:
        if self.protocol == "official":
            return self._official(name)
        splits = [self._official(part) for part in ("train", "val")]
        samples = [(split, index) for split in splits for index in range(len(split))]
        samples.sort(key=lambda sample: sample[0].name(sample[1]))
        parts = random_parts(samples, (8, 1, 1))
        return MixedSplit(parts[get_args(SplitName).index(name)])

    def _official(self, name: SplitName) -> Split:
        found = self._found()
        if len(self.names) == 40 and found in (_CLASS13, _MTAN):
            raise DataError(
                f"{self.root}: its labels ({found}) hold 13 classes; set `classes` to 13, or take "
                f"the layout mat. {HOW_TO_GET}"
            )
        classes = _OF_13 if len(self.names) == 13 else range(1, 41)
        ids = {0: VOID} | {i: group - 1 for i, group in enumerate(classes, 1)}
        if found == LABELED:
            return MatSplit(self.root, name, ids)
        if found == _CLASS13:
            return class13_split(self.root, name)
        if found == _LABEL40:
            return label40_split(self.root, name, ids)
        return mtan_split(self.root, name)

    def _found(self) -> str:
        """The one layout that the root holds, among those that the option allows."""
        there = {
            LABELED: (self.root / LABELED).is_file(),
            _CLASS13: has_class13(self.root),
            _LABEL40: all((self.root / part).is_dir() for part in ("RGB", "Label")),
            _MTAN: any((self.root / part / "image").is_dir() for part in ("train", "val")),
        }
        asked = [seen for seen in _LAYOUTS if self.layout in ("auto", _LAYOUTS[seen])]
        found = [seen for seen in asked if there[seen]]
        if not found:
            raise self._missing(self.root / " or ".join(asked))
        if len(found) > 1:
            layouts = [_LAYOUTS[seen] for seen in found]
            way_out = "move all but one away" if len(set(layouts)) == 1 else "set `layout` to one"
            both = " and ".join(f"{seen} ({_LAYOUTS[seen]})" for seen in found)
            raise DataError(f"{self.root}: holds more than one layout, {both}; {way_out}")
        return found[0]
