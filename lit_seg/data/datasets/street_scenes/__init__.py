"""Render street scenes with labels, to study class imbalance without downloading a dataset.

A few large classes (road, building, sky) fill most of every picture, while the ones that matter
for safety (pedestrian, cyclist, sign, traffic light) are small, rare, and painted in the same
colours as everything else.

`scene.py` lays a scene out in metres along a street (`plan.py`), with one module for each kind of
thing: where it stands and how it looks.  A random camera (`camera.py`) projects the things, a
canvas (`canvas.py`) paints image and labels together from far to near, and `photo.py` takes the
picture.  All randomness comes from the generator that is passed in.
"""

from lit_seg.data.datasets.street_scenes.scene import render_scene
from lit_seg.data.datasets.street_scenes.scene_classes import CLASS_NAMES, PALETTE

__all__ = ["CLASS_NAMES", "PALETTE", "render_scene"]
