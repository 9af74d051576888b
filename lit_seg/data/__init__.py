"""Datasets, one DataModule per file, over a shared base."""

from lit_seg.data.base import SegDataModule
from lit_seg.data.camvid import CamVid
from lit_seg.data.cityscapes import Cityscapes
from lit_seg.data.folder import Folder
from lit_seg.data.streets import Streets

_ALL: tuple[type[SegDataModule], ...] = (Streets, CamVid, Cityscapes, Folder)
DATASETS = {dataset.folder: dataset for dataset in _ALL}
"""By the name that ``make train DATA=<name>`` takes."""

__all__ = ["DATASETS", "CamVid", "Cityscapes", "Folder", "SegDataModule", "Streets"]
