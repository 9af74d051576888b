"""Virtual KITTI 2: 14 classes of five rendered drives, each in ten kinds of weather and view."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import Archive, DataCard, SplitName, read_classes
from lit_seg.data.label_maps import ColourMap
from lit_seg.data.splits import FileSplit, Pair, matching_pairs
from lit_seg.errors import DataError, NotThereError
from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import VOID

_RELEASE = "vkitti_2.0.3"
_URL = f"https://download.europe.naverlabs.com/virtual_kitti_2.0.3/{_RELEASE}"
_SCENES = ("Scene01", "Scene02", "Scene06", "Scene18", "Scene20")
_VARIATIONS = (
    *("15-deg-left", "15-deg-right", "30-deg-left", "30-deg-right"),
    *("clone", "fog", "morning", "overcast", "rain", "sunset"),
)
_CAMERAS = ("Camera_0", "Camera_1")
_GUARD_RAIL_OF_1 = (255, 100, 255)


class VirtualKITTI2(SegDataModule):
    """Virtual KITTI 2.0.3: 42,520 images of 375x1242, 14 classes.

    Layout below ``root``, as in the two archives: ``SceneXX/<variation>/frames/`` with
    ``rgb/Camera_{0,1}/rgb_NNNNN.jpg`` and ``classSegmentation/Camera_{0,1}/classgt_NNNNN.png``.
    The scenes of an archive may also lie in a folder of its name, ``vkitti_2.0.3_rgb`` and
    ``vkitti_2.0.3_classSegmentation``. Labels are colours; Undefined (black) becomes void. Those
    of Virtual KITTI 1, where GuardRail is (255, 100, 255) and each car has a colour of its own,
    are refused.

    There is no official split. Ten variations and two cameras show the same moments, so whole
    scenes are held out for validation: by default Scene20, as others did, which leaves 25,780
    images for training and 16,740 for validation. There is no test split. Missing scenes
    are not trained; an existing scene must have all chosen variations and cameras.

    The recall-loss paper (Tian et al., appendix B) names it as a case where its loss does not help:
    plain cross-entropy already exceeds 90 % mean accuracy. It gives no table and no settings.

    Args:
        held_out: scenes to validate on; the others are trained, so not all can be held out.
        variations: variations to use in training and validation.
        cameras: cameras to use in training and validation.
        **options: options of :class:`SegDataModule`.
    """

    folder = "vkitti2"
    names, colours, counts = read_classes("vkitti2")
    native_size = (375, 1242)
    card = DataCard(
        what="five drives of KITTI rendered in ten variations for two cameras, 14 classes",
        images={"train": 25780, "val": 16740},
        licence="CC BY-NC-SA 3.0, stated for Virtual KITTI by its website: no commercial use",
        citation="Cabon, Murray and Humenberger, Virtual KITTI 2, arXiv 2001.10773, 2020",
        how_to_get=f"Virtual KITTI 2 is free: download {_URL}_rgb.tar (7.5 GB) and "
        f"{_URL}_classSegmentation.tar (1.0 GB) and unpack both into one folder.",
        downloads=(
            Archive(f"{_URL}_rgb.tar", "md5:1e00a143a397c2c53aa9720a868fe34a", size=7532472320),
            Archive(
                f"{_URL}_classSegmentation.tar",
                "md5:e8658ab49250e61f1caa174625563263",
                size=1015961600,
            ),
        ),
    )

    def __init__(
        self,
        held_out: tuple[str, ...] = ("Scene20",),
        variations: tuple[str, ...] = _VARIATIONS,
        cameras: tuple[str, ...] = _CAMERAS,
        **options: Any,
    ) -> None:
        self.held_out = _choice("held_out", held_out, _SCENES)
        self.variations = _choice("variations", variations, _VARIATIONS)
        self.cameras = _choice("cameras", cameras, _CAMERAS)
        if len(self.held_out) == len(_SCENES):
            raise ValueError("`held_out` must leave a scene to train on, got all of them")
        super().__init__(**options)

    def split(self, name: SplitName) -> FileSplit:
        if name == "test":
            raise NotThereError(
                "Virtual KITTI 2 has no test split: score on `val`, the scenes of `held_out`"
            )
        archives = (self.root / f"{_RELEASE}_{kind}" for kind in ("rgb", "classSegmentation"))
        images, labels = (folder if folder.is_dir() else self.root for folder in archives)
        scenes = [scene for scene in _SCENES if (scene in self.held_out) == (name == "val")]
        there = [scene for scene in scenes if (images / scene).is_dir()]
        if not there or (name == "val" and there != scenes):
            raise self._missing(images / next(scene for scene in scenes if scene not in there))
        pairs: list[Pair] = []
        for scene, variation, camera in product(there, self.variations, self.cameras):
            frames = f"{scene}/{variation}/frames"
            rgb = images / frames / "rgb" / camera
            classes = labels / frames / "classSegmentation" / camera
            found = matching_pairs(rgb, "rgb_{}.jpg", classes, "classgt_{}.png", "*")
            if not found:
                raise DataError(
                    f"{rgb}: holds no rgb_<number>.jpg; leave it out by `variations` or `cameras`, "
                    f"or unpack the whole archive. {self.card.how_to_get}"
                )
            pairs += found
        ids: dict[tuple[int, ...], int] = {(0, 0, 0): VOID}
        ids |= {colour: i for i, colour in enumerate(self.colours)}
        return FileSplit(pairs, _Colours(ids), images, how_to_get=self.card.how_to_get)


class _Colours(ColourMap):
    """Adds to the error about an unknown colour where it may come from."""

    def map(self, label: Array, path: Path | str) -> Array:
        try:
            return super().map(label, path)
        except DataError as error:
            if (label[..., :3] == _GUARD_RAIL_OF_1).all(axis=-1).any():
                why = f"{_GUARD_RAIL_OF_1} is the GuardRail of Virtual KITTI 1"
            else:
                why = "Virtual KITTI 1 and files of instances have others"
            raise DataError(f"{error}; {why}: take {_RELEASE}_classSegmentation.tar") from None


def _choice(name: str, chosen: Sequence[str], legal: tuple[str, ...]) -> tuple[str, ...]:
    """Check chosen names and put them into the order of the release."""
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(legal):
        raise ValueError(f"`{name}` must be different ones of {', '.join(legal)}, got {chosen}")
    return tuple(one for one in legal if one in chosen)
