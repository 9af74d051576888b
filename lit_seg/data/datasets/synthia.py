"""SYNTHIA-SEQS-05-SUMMER: 13 classes of a rendered drive, seen by eight cameras."""

from pathlib import Path
from random import Random

import cv2
import numpy as np
from lightning_utilities.core.rank_zero import rank_zero_warn

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName, read_classes
from lit_seg.data.label_maps import LabelMap, Stored
from lit_seg.data.splits import FileSplit, Pair, matching_pairs
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID

_SEQUENCE = "SYNTHIA-SEQS-05-SUMMER"
_CAMERAS = [f"Stereo_{side}/Omni_{view}" for side in ("Left", "Right") for view in "BFLR"]
_FRAMES = 787 * len(_CAMERAS)
_PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG: OpenCV would decode other kinds of files too."""


class Synthia(SegDataModule):
    """SYNTHIA-SEQS-05-SUMMER as the recall-loss paper (Tian et al., ICRA 2022) splits it.

    4400 / 624 / 1272 images of 760x1280, 13 classes.

    Layout below ``root``, which may also be the folder ``SYNTHIA-SEQS-05-SUMMER`` itself:
    ``SYNTHIA-SEQS-05-SUMMER/RGB/Stereo_{Left,Right}/Omni_{B,F,L,R}/NNNNNN.png`` and the same
    below ``GT/LABELS``. Labels are 16-bit PNGs of three channels: the first
    one (R) holds the class id, the second the instance. Ids 1 to 12 and 15 become the classes in
    this order, 0 becomes void, the reserved 13 and 14 are refused.

    Most readers, Pillow among them, keep the high byte of such files, which makes every id 0. A
    file that was saved again by one of them is refused, and so is a label that is all void:
    every frame shows road, sky or buildings.

    There is no official split. Ids and split are those of the paper's code
    (github.com/PotatoTian/recall-semseg, ``ptsemseg/loader/synthia_loader.py``), which shuffles
    the frames of each camera with seed 0 and cuts them at 70 % and 80 %; its frames come in the
    unknown order of a file system, here they are sorted. All cameras are shuffled alike, so the
    eight views of a moment share a split. Neighbours in time do not: validation and test images
    resemble training images. The ``seed`` of the DataModule does not change the split.

    A part of the cameras or frames is accepted with a warning: the same rule divides it, so only
    the full set has the paper's splits, and added frames move others between splits.

    The paper trains and scores void as one more class: ``void: train``. It is the last class here
    and the first one there.
    """

    folder = "synthia"
    names, colours, counts = read_classes("synthia")
    label_ids = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15)
    void_id = 0
    native_size = (760, 1280)
    card = DataCard(
        what="a rendered drive through a town in summer, eight cameras, 13 classes",
        images={"train": 4400, "val": 624, "test": 1272},
        licence="CC BY-NC-SA 3.0, stated by synthia-dataset.net: no commercial use",
        citation="Ros et al., The SYNTHIA Dataset: A Large Collection of Synthetic Images for "
        "Semantic Segmentation of Urban Scenes, CVPR 2016",
        how_to_get="SYNTHIA-SEQS-05-SUMMER is one of the video sequences at "
        "http://synthia-dataset.net: download its archive there and unpack it.",
    )

    def split(self, name: SplitName) -> FileSplit:
        sequence = self.root / _SEQUENCE
        if not sequence.is_dir() and (self.root / "RGB").is_dir():
            sequence = self.root
        images, labels = sequence / "RGB", sequence / "GT" / "LABELS"
        if not images.is_dir():
            raise self._missing(images)
        cameras = [
            matching_pairs(images / camera, "{}.png", labels / camera, "{}.png", "[0-9]*")
            for camera in _CAMERAS
        ]
        found = sum(map(len, cameras))
        if not found:
            raise DataError(
                f"{images}: holds no Stereo_Left/Omni_F/<number>.png nor any of another camera. "
                f"{self.card.how_to_get}"
            )
        if found != _FRAMES:
            rank_zero_warn(
                f"{sequence}: holds {found} frames, {_SEQUENCE} has {_FRAMES}; the splits are not "
                "those of the recall-loss paper, and others once it grows"
            )
        pairs = [pair for frames in cameras for pair in _of_split(frames, name)]
        if not pairs:
            raise DataError(
                f"{sequence}: {found} frames leave none for the {name} split, which takes 10 of a "
                f"camera. {self.card.how_to_get}"
            )
        ids = {self.void_id: VOID} | {v: i for i, v in enumerate(self.label_ids)}
        return FileSplit(pairs, LabelMap(ids, _read_ids), images, how_to_get=self.card.how_to_get)


def _of_split(frames: list[Pair], name: SplitName) -> list[Pair]:
    """Cut the frames of a camera as the authors do, who shuffle with Python's generator."""
    shuffled = list(frames)
    Random(0).shuffle(shuffled)
    train = int(0.7 * len(frames))
    val = train + int(0.1 * len(frames))
    cuts = {"train": slice(train), "val": slice(train, val), "test": slice(val, None)}
    return sorted(shuffled[cuts[name]])


def _read_ids(path: Path) -> Stored:
    """Read the first channel of a 16-bit label."""
    try:
        content = np.fromfile(path, np.uint8)  # on Windows, OpenCV opens only ASCII paths
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch it again") from None
    is_png = bytes(content[: len(_PNG)]) == _PNG
    label = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if is_png else None
    if label is None:
        reason = "it is damaged or no PNG" if content.size else "it is empty"
        raise DataError(f"{path}: cannot be read as an image ({reason}); fetch it again")
    if label.dtype != np.uint16 or label.ndim != 3 or label.shape[2] != 3:
        channels = label.shape[2] if label.ndim == 3 else 1
        raise DataError(
            f"{path}: labels must be 16-bit of 3 channels, this one is {8 * label.itemsize}-bit of "
            f"{channels}; what saved it again lost the class ids: unpack it from the archive anew"
        )
    ids: Stored = label[..., 2]  # OpenCV gives BGR
    if not ids.any():
        raise DataError(
            f"{path}: the class ids in its first channel are all 0 (void), which no frame is; what "
            "saved it again lost them: unpack it from the archive anew"
        )
    return ids
