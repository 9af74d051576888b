"""Long-tailed images of one class each: a DataModule per dataset, over a shared base."""

from lit_seg.classification.data.base import ImageDataModule
from lit_seg.classification.data.datasets.cifar_lt import CIFAR10LT, CIFAR100LT
from lit_seg.classification.data.datasets.class_folders import ClassFolders
from lit_seg.classification.data.datasets.digits_lt import DigitsLT
from lit_seg.classification.data.datasets.imagenet_lt import ImageNetLT
from lit_seg.classification.data.datasets.inaturalist2018_lt import INaturalist2018
from lit_seg.classification.data.datasets.mnist5k_lt import MNIST5kLT
from lit_seg.classification.data.datasets.places_lt import PlacesLT

_ALL: tuple[type[ImageDataModule], ...] = (
    *(DigitsLT, MNIST5kLT, CIFAR10LT, CIFAR100LT, PlacesLT, ImageNetLT, INaturalist2018),
    ClassFolders,
)
DATASETS = {dataset.folder: dataset for dataset in _ALL}
"""Each DataModule by the name that ``make train TASK=classification DATA=<name>`` takes."""

__all__ = [
    "CIFAR10LT",
    "CIFAR100LT",
    "DATASETS",
    "ClassFolders",
    "DigitsLT",
    "INaturalist2018",
    "ImageDataModule",
    "ImageNetLT",
    "MNIST5kLT",
    "PlacesLT",
]
