"""Datasets, one DataModule per file, over a shared base."""

from lit_seg.data.base import SegDataModule
from lit_seg.data.camvid import CamVid
from lit_seg.data.cityscapes import Cityscapes
from lit_seg.data.folder import Folder
from lit_seg.data.streets import Streets

DATASETS: dict[str, type[SegDataModule]] = {
    d.folder: d for d in (Streets, CamVid, Cityscapes, Folder)
}
"""By the name that ``make train DATA=<name>`` takes."""

__all__ = ["DATASETS", "CamVid", "Cityscapes", "Folder", "SegDataModule", "Streets"]
