"""Datasets, one DataModule per file, over a shared base."""

from lit_seg.data.base import SegDataModule
from lit_seg.data.datasets.ade20k import ADE20K
from lit_seg.data.datasets.camvid import CamVid
from lit_seg.data.datasets.cityscapes import Cityscapes
from lit_seg.data.datasets.nyuv2.nyuv2 import NYUv2
from lit_seg.data.datasets.own_folder.folder import Folder
from lit_seg.data.datasets.oxford_pet import OxfordPet
from lit_seg.data.datasets.streets.streets import Streets
from lit_seg.data.datasets.synthia import Synthia
from lit_seg.data.datasets.virtual_kitti2 import VirtualKITTI2

_ALL: tuple[type[SegDataModule], ...] = (
    *(Streets, CamVid, Cityscapes, Synthia, ADE20K, VirtualKITTI2, OxfordPet, NYUv2),
    Folder,
)
DATASETS = {dataset.folder: dataset for dataset in _ALL}
"""Each DataModule by the name that ``make train DATA=<name>`` takes."""

__all__ = [
    "ADE20K",
    "DATASETS",
    "CamVid",
    "Cityscapes",
    "Folder",
    "NYUv2",
    "OxfordPet",
    "SegDataModule",
    "Streets",
    "Synthia",
    "VirtualKITTI2",
]
