"""Renders street scenes with labels, to study class imbalance without downloading a dataset.

A few large classes (road, building, sky) fill most of every picture, while the ones that matter
for safety (pedestrian, cyclist, sign, traffic light) are small, rare, and painted in the same
colours as everything else.

`streets.py` lays out a scene in metres along a street (`plan.py`). `backdrop.py`, `furniture.py`
and `traffic.py` say where each kind of object stands and how it looks. A random camera projects
the objects, a canvas (`canvas.py`) paints image and labels together from far to near, and
`photo.py` adds the flaws of a photo. All random numbers come from the generator that is passed in.
"""
