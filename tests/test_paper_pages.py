"""The commands of `experiments/paper/` parse, and the links of all documents lead somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from pytorch_lightning.cli import LightningArgumentParser

from experiments.paper import cost, gradient_terms, pat_weights
from lit_seg.classification import compare as classifiers
from lit_seg.cli import main as cli
from lit_seg.cli.commands import COMMANDS, compare
from lit_seg.cli.lightning_cli import LitSegCLI
from lit_seg.cli.option_checks import check_options
from lit_seg.cli.trainings import Run
from lit_seg.data import DATASETS
from lit_seg.models.build import build_network
from tests.conftest import EXPERIMENTS
from tests.test_makefile import make

PAPER = EXPERIMENTS / "paper"
PAGES = sorted(PAPER.glob("*.md"))
ROOT = EXPERIMENTS.parent
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CLAIMS = [page for page in PAGES if page.name not in ("README.md", "camvid.md", "costs.md")]

Call = tuple[str, ...]
CLASSIFICATION = "TASK=classification"


def blocks(page: Path) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)


@cache
def calls(page: Path) -> list[Call]:
    """What the commands of a page would call, loops and all: ``make`` or ``python``, and words."""
    stubs = "".join(
        f'{name}() {{ printf "%s\\x1f" {name} "$@"; printf "\\x1e"; }}\n'
        for name in ("make", "python")
    )
    script = stubs + "\n".join(blocks(page)).replace(".venv/bin/python", "python")
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    return [tuple(call.split("\x1f")[:-1]) for call in done.stdout.split("\x1e")[:-1]]


def every(program: str) -> Iterator[tuple[Path, Call]]:
    for page in PAGES:
        for call in calls(page):
            if call[0] == program:
                yield page, call[1:]


def settings() -> list[Call]:
    """Each ``make train`` once: seeds, run folders and the names of losses make no difference."""
    found = {}
    for _, (target, *words) in every("make"):
        if target == "train" and CLASSIFICATION not in words:
            text = re.sub(r"--run_dir \S+", "", " ".join(words))
            loss = "" if "--model.loss" in text else r"LOSS=\S+|"
            found.setdefault(re.sub(rf"{loss}SEED=\S+", "", text).strip(), tuple(words))
    return list(found.values())


def comparisons() -> list[Call]:
    """The words of each ``make compare``."""
    found = (tuple(words) for _, (target, *words) in every("make") if target == "compare")
    return [words for words in found if CLASSIFICATION not in words]


def printed_call(target: str, words: Call) -> list[str]:
    """The words of the Python call that make would run."""
    done = make(target, *words)
    assert done.returncode == 0, done.stderr
    script = f'python() {{ printf "%s\\x1f" "$@"; }}\n{done.stdout}'
    script = script.replace(".venv/bin/python", "python")
    shown = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    return shown.stdout.split("\x1f")[:-1]


def planned(words: Call) -> list[Run]:
    """The runs of a ``make compare``."""
    module, package, command, *args = printed_call("compare", words)
    if CLASSIFICATION in words:
        assert (module, package, command) == ("-m", "lit_seg.classification", "compare")
        return classifiers.planned(classifiers.arguments(args))[1]
    assert (module, package, command) == ("-m", "lit_seg", "compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(EXPERIMENTS.parent)
        return compare.planned(compare.arguments(args))


@pytest.fixture(scope="module")
def fit_parser() -> LightningArgumentParser:
    """That of the command line, which nothing but its construction is needed of."""

    class Stop(BaseException):
        """What ``main`` passes on."""

    class Parser(LitSegCLI):
        def parse_arguments(self, parser: LightningArgumentParser, args: object) -> None:
            raise Stop(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lit_seg"])
        patch.setattr(cli, "LitSegCLI", Parser)
        with pytest.raises(Stop) as stopped:
            cli.main()
    parser: LightningArgumentParser = stopped.value.args[0]
    return parser


def test_pages_hold_commands() -> None:
    assert len(CLAIMS) == 21
    assert len(settings()) > 30


@pytest.mark.parametrize("page", CLAIMS, ids=lambda page: page.stem)
def test_a_page_has_all_its_parts(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(("# Recall paper, ", "# PAT, "))
    for part in ("**Cost.**", "**Run here.**", "**Verdict.**"):
        assert text.count(part) == 1, part
    assert "Claims" in text
    cost = text.split("**Cost.**")[1].split("**Run here.**")[0]
    assert "stimate, not measured" in cost or "(that is measured)" in cost
    assert blocks(page) or "Not built yet" in text
    verdict = text.split("**Verdict.**")[1].lower()
    assert any(word in verdict for word in ("held", "not run", "by the rule of"))


def test_the_index_has_every_page() -> None:
    linked = re.findall(r"^\| \[.*?\]\((.*?)\)", (PAPER / "README.md").read_text(), re.MULTILINE)
    assert sorted(linked) == [page.name for page in CLAIMS]


@pytest.mark.parametrize("page", [*PAGES, *DOCS], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in [_anchor(head) for head in heads], link


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_pictures_are_small() -> None:
    pictures = list(PAPER.glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 60_000
        assert any(picture.name in page.read_text() for page in PAGES)


def test_losses_that_are_trained_exist() -> None:
    losses = {path.stem for path in (EXPERIMENTS / "loss").glob("*.yaml")}
    given = (word.partition("=") for _, call in every("make") for word in call)
    named = {loss for key, _, value in given if key in ("LOSS", "LOSSES") for loss in value.split()}
    assert len(named) > 10
    assert named <= losses


@pytest.mark.parametrize("words", settings(), ids=" ".join)
def test_a_training_is_one_that_the_command_line_takes(
    words: Call, fit_parser: LightningArgumentParser
) -> None:
    done = make("train", *words)
    assert done.returncode == 0, done.stderr
    script = f'python() {{ printf "%s\\x1f" "$@"; }}\n{done.stdout}'
    script = script.replace(".venv/bin/python", "python")
    shown = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    module, package, *args = shown.stdout.split("\x1f")[:-1]
    assert (module, package, args[0]) == ("-m", "lit_seg", "fit")
    config = fit_parser.parse_args(args).fit
    check_options(config, {"data", "model", "trainer"})
    given = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    data = DATASETS[given["DATA"]](**vars(config.data.init_args))
    assert data.folder == given["DATA"]
    with torch.device("meta"):
        build_network(config.model.architecture, config.model.encoder, 3, config.model.options)


@pytest.mark.parametrize("words", comparisons(), ids=" ".join)
def test_a_comparison_trains_what_the_command_line_takes(
    words: Call, fit_parser: LightningArgumentParser
) -> None:
    for run in planned(words):
        if run.seed == 0:
            check_options(fit_parser.parse_args(run.command).fit, {"data", "model", "trainer"})


def test_comparisons_of_classifiers_are_planned() -> None:
    found = [words for _, (_, *words) in every("make") if CLASSIFICATION in words]
    assert len(found) > 2  # each names configurations that exist
    for words in found:
        assert len(planned(tuple(words))) > 5


def test_predictions_are_of_runs_that_the_page_trains() -> None:
    checked = 0
    for page, (target, *words) in every("make"):
        assert target in ("train", "compare", "predict")
        if target == "predict":
            (checkpoint,) = (word[5:] for word in words if word.startswith("CKPT="))
            folders = [_folder(call[2:]) for call in calls(page) if call[:2] == ("make", "train")]
            assert checkpoint in folders
            checked += 1
    assert checked


def _folder(words: Call) -> str:
    given = dict(word.split("=", 1) for word in words)
    data = given["DATA"] + (f"-{given['RECIPE']}" if "RECIPE" in given else "")
    model = given.get("MODEL", "unet_resnet18")
    return f"runs/{data}/{model}/{given['LOSS']}/seed{given.get('SEED', '0')}"


def test_scripts_and_commands_exist() -> None:
    for page, (first, *rest) in every("python"):
        if first == "-m":
            if rest[0].startswith("experiments."):
                module = Path(*rest[0].split("."))
                there = module.with_suffix(".py"), module / "__main__.py"
                assert any(path.is_file() for path in there), page.name
            else:
                assert rest[0] == "lit_seg"
                assert rest[1] in COMMANDS, page.name
        else:
            assert (EXPERIMENTS.parent / first).is_file(), page.name


def test_runs_of_one_setting_have_folders_of_their_own() -> None:
    """Where a loop changes an option, the run's folder says so."""
    for page in PAGES:
        seen = set()
        for call in calls(page):
            folders = []
            if call[:2] == ("make", "train"):
                folders = re.findall(r"--run_dir (\S+)", " ".join(call)) or [_folder(call[2:])]
            elif call[:2] == ("make", "compare"):
                folders = [str(run.folder) for run in planned(call[2:])]
            for given in folders:
                assert given not in seen, f"{page.name}: {given} twice"
                seen.add(given)


def test_settings_say_where_they_are_from() -> None:
    for path in PAPER.glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# ")
        assert set(yaml.safe_load(text)) <= {"trainer", "model", "data"}
        assert any(f"experiments/paper/{path.name}" in page.read_text() for page in PAGES)


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_numbers_of_pat_are_what_its_script_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pat_weights.main(tmp_path / "picture.png")
    printed = rows(capsys.readouterr().out)
    shown = rows((PAPER / "pat_fig3.md").read_text()) + rows((PAPER / "pat_table1.md").read_text())
    assert len(shown) == 18
    assert set(shown) <= set(printed)


def test_numbers_of_the_gradient_are_what_its_script_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gradient_terms, "PROBLEMS", 5)
    gradient_terms.main()
    out = capsys.readouterr().out
    assert "FN_2 equals FP_1 in all" in out
    assert float(re.findall(r"differ by at most (\S+)", out)[0]) < 1e-14
    assert rows(out) == rows((PAPER / "recall_table1.md").read_text())


def test_costs_are_what_their_script_prints() -> None:
    shown = rows((PAPER / "costs.md").read_text())[2:]
    assert len(shown) == len(cost.JOBS)
    for line, job in zip(shown, cost.JOBS, strict=True):
        name, network, size, batch, steps, gflop, hours = line.strip("| ").split(" | ")
        assert (name, network) == (job.name, f"{job.architecture} {job.encoder}")
        assert (size, batch, steps) == (f"{job.height}x{job.width}", str(job.batch), str(job.steps))
        seconds = job.steps * max(cost.LAUNCH, float(gflop) * 1e9 * job.batch / cost.SUSTAINED)
        assert float(hours) == pytest.approx(seconds / 3600, abs=0.06)
        if job.name == "PAT, Oxford-IIIT Pet":  # counting all takes ten seconds
            assert f"{cost.operations(job) / 1e9:.0f}" == gflop
