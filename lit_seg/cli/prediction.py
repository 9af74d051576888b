"""Runs ``python -m lit_seg predict``: from its options to files, with progress and a summary."""

import hashlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from lit_seg.cli.counted import Counted
from lit_seg.distributed.shared_work import SharedWork
from lit_seg.errors import DataError, RunError, plural
from lit_seg.files.escape import one_line
from lit_seg.images.bands import read_bands
from lit_seg.images.open_and_save import Array
from lit_seg.inference.inputs import Input
from lit_seg.inference.many_images import NamedImage, label_images
from lit_seg.inference.prediction_folder import PredictionFolder
from lit_seg.inference.predictor import Predictor
from lit_seg.inference.submission import check_submission, pack
from lit_seg.inference.video import label_video
from lit_seg.inference.views import Views
from lit_seg.runs.layout import CONFIG, find_run, numbered


def predict(options: Namespace, inputs: Sequence[Input]) -> int:
    """Label the inputs, or without any the validation images of the run; returns the exit code.

    Args:
        options: those of ``lit_seg.cli.commands.predict``.
        inputs: the images and videos.
    """
    predictor = _predictor(options)
    form = predictor.data_format
    images = [
        # a server compares with images as they are stored
        NamedImage(i.name, partial(read_bands, i.path, form.channels, not options.submission))
        for i in inputs
        if not i.is_video
    ]
    if not inputs:
        images = _validation_images(options)
    if options.submission:
        check_submission(options.submission, form, [each.name for each in inputs])
    with SharedWork() as ranks:
        out = ranks.of_first(lambda: options.out or _free_folder(options.run))
        folder = PredictionFolder(out, form, _kinds(options))
        made_of = {**_made_of(predictor), "sources": _sources(options, inputs)}
        ranks.of_first(lambda: folder.begin(made_of))
        try:
            faults = _label(predictor, ranks.share(images), folder)
            faults += _label_videos(
                predictor, ranks.share([i for i in inputs if i.is_video]), folder
            )
        except KeyboardInterrupt:
            sys.stderr.write(f"stopped; the same command with --out {out} goes on\n")
            return 130
        faults = ranks.of_all(faults)
    if ranks.rank == 0:
        _report(faults, out)
        if options.submission:
            out = pack(options.submission, folder, [each.name for each in images])
        sys.stdout.write(f"predictions: {out}\n")
    return 2 if faults else 0


def _predictor(options: Namespace) -> Predictor:
    crop, stride = (tuple(each) if each else None for each in (options.crop, options.stride))
    try:
        views = Views(crop, stride, options.flip, options.scales)
    except ValueError as error:
        raise RunError(str(error)) from None
    ways = options.device, views, options.tau, options.batch_size, options.precision
    return Predictor(options.run, *ways)


def _kinds(options: Namespace) -> list[str]:
    if options.submission:
        return ["labels"]
    asked = {"overlays": options.overlay, "confidence": options.confidence}
    asked["probabilities"] = options.probabilities
    return ["labels", *(kind for kind, wanted in asked.items() if wanted)]


def _free_folder(run: Path) -> Path:
    """Choose a fresh folder in the run, or beside a checkpoint without its run."""
    try:
        run = find_run(run)
    except RunError:
        run = run.parent
    return numbered(run / "predictions")


def _made_of(predictor: Predictor) -> dict[str, object]:
    """Say what predictions depend on, so that a folder holds predictions of one kind alone."""
    with predictor.file.open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "dataset": predictor.data_format.dataset,
        "classes": predictor.class_names,
        "weights": weights,
        **asdict(predictor.views),
        "tau": predictor.tau,
        "precision": predictor.precision,
    }


def _sources(options: Namespace, inputs: Sequence[Input]) -> list[str]:
    """The folders below which names count: those of other pictures would seem done."""
    files = ((os.path.abspath(each.path.with_suffix("")), each.name) for each in inputs)
    folders = {file.removesuffix(name) for file, name in files}
    return sorted(folders) or [os.path.abspath(options.run)]


def _validation_images(options: Namespace) -> list[NamedImage]:
    """Find the images by the configuration of the run."""
    # imported late because it imports all of Lightning, which files need not
    from lit_seg.cli.commands.data.dataset_argument import dataset_of

    trust = [word for package in options.trust for word in ("--trust", package)]
    data, _ = dataset_of([str(find_run(options.run) / CONFIG), *trust], "predict")
    split = data.split("val")

    def image(index: int) -> Array:
        return split.load(index)[0]

    return [NamedImage(split.name(i), partial(image, i)) for i in range(len(split))]


def _label(
    predictor: Predictor, images: Sequence[NamedImage], folder: PredictionFolder
) -> list[DataError]:
    missing = [image for image in images if not folder.is_done(image.name)]
    if len(missing) < len(images):
        done = len(images) - len(missing)
        sys.stdout.write(f"already there: {done} of {plural(len(images), 'image')}\n")
    with Counted("image", len(missing)) as count:
        return label_images(predictor, missing, folder, count)


def _label_videos(
    predictor: Predictor, videos: Sequence[Input], folder: PredictionFolder
) -> list[DataError]:
    faults = []
    for path, name in videos:
        if folder.is_done(name, is_video=True):
            sys.stdout.write(f"{one_line(name)} is there already\n")
            continue
        try:
            sys.stdout.write(f"{one_line(name)}:\n")
            with Counted("frame") as count:
                label_video(predictor, path, name, folder, count)
        except DataError as fault:
            faults.append(fault)
    return faults


def _report(faults: Sequence[DataError], out: Path) -> None:
    """Name the files that could not be read, in lines before the one of the error."""
    if not faults:
        return
    for fault in faults:
        sys.stderr.write(f"{one_line(str(fault))}\n")
    raise RunError(f"{plural(len(faults), 'file')} could not be read; the others are in {out}")
