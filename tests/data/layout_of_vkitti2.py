"""A tiny Virtual KITTI 2 in the layout of its archives."""

from pathlib import Path

import numpy as np

from tests.data.pictures import MAC, noise_and_ids, save

SIZE = (12, 40)
SCENES = ("Scene01", "Scene02", "Scene06", "Scene18", "Scene20")
VARIATIONS = (
    *("15-deg-left", "15-deg-right", "30-deg-left", "30-deg-right", "clone"),
    *("fog", "morning", "overcast", "rain", "sunset"),
)
CAMERAS = ("Camera_0", "Camera_1")
COLORS_TXT = """\
Category r g b
Terrain 210 0 200
Sky 90 200 255
Tree 0 199 0
Vegetation 90 240 0
Building 140 140 140
Road 100 60 100
GuardRail 250 100 255
TrafficSign 255 255 0
TrafficLight 200 200 0
Pole 255 130 0
Misc 80 80 80
Truck 160 60 60
Car 255 127 80
Van 0 139 139
Undefined 0 0 0
"""


def write(
    root: Path, rgb: str = "", labels: str = "", scenes: tuple[str, ...] = SCENES, frames: int = 1
) -> None:
    """All variations and cameras of the scenes.

    Args:
        root: of the dataset.
        rgb: folder of the archive of images; "" for the root itself.
        labels: likewise.
        scenes: to write.
        frames: of each.
    """
    colours = [tuple(map(int, line.split()[1:])) for line in COLORS_TXT.splitlines()[1:]]
    for s, scene in enumerate(scenes):
        for v, variation in enumerate(VARIATIONS):
            # of a third archive, which those with a folder per archive have in a third one
            text = root / ("vkitti_2.0.3_textgt" if rgb else "") / scene / variation / "colors.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(COLORS_TXT)
            for c, camera in enumerate(CAMERAS):
                folder = Path(scene, variation, "frames")
                for i in range(frames):
                    image, ids = noise_and_ids((s, v, c, i), SIZE, len(colours), darkest=100)
                    image_path = root / rgb / folder / "rgb" / camera / f"rgb_{i:05}.jpg"
                    save(image_path, image)
                    label = root / labels / folder / "classSegmentation" / camera
                    save(label / f"classgt_{i:05}.png", np.array(colours, np.uint8)[ids])
                for path in (image_path, label / "classgt_00000.png"):  # left by a packing computer
                    path.with_name(f"._{path.name}").write_bytes(MAC)
