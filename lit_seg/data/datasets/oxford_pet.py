"""Oxford-IIIT Pet: cats and dogs, with the uncertain border around each as a class or as void."""

from pathlib import Path
from typing import Any, Literal

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import Archive, DataCard, SplitName
from lit_seg.data.file_lists import read_stems
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit, random_parts
from lit_seg.errors import DataError, check_choice
from lit_seg.images.open_and_save import Colour
from lit_seg.metrics.labels import VOID

_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets"


class OxfordPet(SegDataModule):
    """Oxford-IIIT Pet: 7349 photos of 37 breeds with trimaps, 3 classes or 2.

    Layout below ``root``, or below ``root/oxford-iiit-pet`` where torchvision unpacks it:
    ``images/<stem>.jpg``, ``annotations/trimaps/<stem>.png`` and
    ``annotations/{trainval,test}.txt`` with lines ``<stem> <class> <species> <breed>``, officially
    3680 and 3669 of them; lists of other lengths are taken as they are. Labels are 8-bit: 1 pet,
    2 background, 3 border (*not classified*, says the dataset); any other value is an error. Only
    files that the lists name are read: the archives also hold photos that no list names, and
    ``trimaps/._*.png``, which are no pictures. Some ``.jpg`` are PNG or GIF inside.

    There is no official validation split. The PAT paper gives 80 / 10 / 10 % (§5), its code
    another split: all of trainval and 80 % of test for training. Of that code
    (github.com/KhoiDOO/ibla, dataset/ox.py and getds.py), ``protocol="pat"`` keeps the shares but
    not the rest. There each run draws another split; here it is always the same. There classes are
    numbered by the values that occur in an image, so that without background the border becomes
    background; and training photos from the test list are never augmented.

    Args:
        border: ``"class"`` scores it as the third class (as PAT does), so that no pixel is void;
            ``"void"`` leaves it out.
        protocol: ``"official"`` keeps the test list for testing and takes a fixed random tenth of
            trainval for validation: the best checkpoint is chosen on that tenth, so it must not
            come from the test list. ``"pat"``: trainval and eight tenths of the test list for
            training, a tenth each for validation and test.
        **options: options of :class:`SegDataModule`.
    """

    folder = "oxford_pet"
    names: tuple[str, ...] = ("pet", "background", "border")
    # there are no official colours
    colours: tuple[Colour, ...] = ((220, 120, 60), (70, 110, 150), (250, 230, 80))
    label_ids: tuple[int, ...] = (1, 2, 3)
    void_id = 3  # the border, where it is void
    card = DataCard(
        what="photos of cats and dogs of 37 breeds: pet, background and border",
        images={"train": 3312, "val": 368, "test": 3669},
        licence="CC BY-SA 4.0; the photos remain their owners'",
        citation="Parkhi et al., Cats and Dogs, CVPR 2012",
        how_to_get=f"Oxford-IIIT Pet is images.tar.gz and annotations.tar.gz of {_URL}, unpacked "
        "into one folder.",
        downloads=(
            Archive(f"{_URL}/data/images.tar.gz", "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c"),
            Archive(f"{_URL}/data/annotations.tar.gz", "md5:95a8c909bbe2e81eed6a22bccdf3f68f"),
        ),
    )

    def __init__(
        self,
        border: Literal["class", "void"] = "class",
        protocol: Literal["official", "pat"] = "official",
        **options: Any,
    ) -> None:
        check_choice("border", border, ("class", "void"))
        check_choice("protocol", protocol, ("official", "pat"))
        if border == "class" and options.get("void") == "train":  # a class without a pixel
            raise ValueError("`void` cannot be 'train' with border 'class': then no pixel is void")
        self.border, self.protocol = border, protocol
        if border == "void":
            self.names, self.colours = self.names[:2], self.colours[:2]
            self.label_ids = self.label_ids[:2]
        super().__init__(**options)

    def split(self, name: SplitName) -> FileSplit:
        base = self.root / "oxford-iiit-pet"
        base = base if base.is_dir() else self.root
        trainval, test = (self._listed(base, part) for part in ("trainval", "test"))
        if twice := sorted(set(trainval) & set(test)):
            raise DataError(
                f"{base / 'annotations'}: trainval.txt and test.txt both list {twice[0]} "
                f"({len(twice)} such photos). {self.card.how_to_get}"
            )
        if self.protocol == "official":
            train, val = random_parts(trainval, (9, 1))
        else:
            more, val, test = random_parts(test, (8, 1, 1))
            train = trainval + more
        stems = sorted({"train": train, "val": val, "test": test}[name])
        images, trimaps = base / "images", base / "annotations" / "trimaps"
        pairs = [(images / f"{stem}.jpg", trimaps / f"{stem}.png") for stem in stems]
        ids = {self.void_id: VOID} | {v: i for i, v in enumerate(self.label_ids)}
        return FileSplit(pairs, LabelMap(ids), how_to_get=self.card.how_to_get)

    def _listed(self, base: Path, part: str) -> list[str]:
        listing = base / "annotations" / f"{part}.txt"
        if not listing.is_file():
            raise self._missing(listing)
        return sorted(read_stems(base / "images", listing))
