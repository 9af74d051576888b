"""Tables 4 and 5 from the test scores of runs."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from lit_seg.classification.compare import compare, train, without_method_options
from lit_seg.classification.rows import PLACE, ROWS, SECOND_STAGES, is_second, layers, run_of
from lit_seg.classification.table import OURS, interval, tables_of, write_table
from lit_seg.cli.layers import names
from lit_seg.errors import RunError
from tests.conftest import EXPERIMENTS


def fabricated(folder: Path, overall: float, few: float | None) -> Path:
    scores = {"pixel_acc": overall, "many": 1.0, "medium": 0.75, "few": few}
    (folder / "evaluation/test").mkdir(parents=True)
    (folder / "evaluation/test/scores.json").write_text(json.dumps({"scores": scores}))
    return folder


def test_rows_are_means_over_seeds_and_an_empty_group_is_a_dash(tmp_path: Path) -> None:
    given = {
        ("ce", 0): (0.5, 0.125),
        ("ce", 1): (0.625, 0.25),
        ("crt", 0): (0.75, None),
        ("sdn_recall", 0): (0.625, 0.5),
        ("sdn_recall", 1): (0.625, 0.5),
    }
    runs = {
        key: fabricated(tmp_path / f"{key[0]}{key[1]}", *scores) for key, scores in given.items()
    }
    runs["lws", 0] = tmp_path / "not tested"
    text = write_table(runs, tmp_path / "table", "digits")
    lines = text.splitlines()
    spread = 12.5 / math.sqrt(2)
    assert (
        f"| CE | 2 | 56.2 ± {spread:.1f} | 100.0 ± 0.0 | 75.0 ± 0.0 | 18.8 ± {spread:.1f} |"
        in lines
    )
    assert "| cRT | 1 | 75.0 | 100.0 | 75.0 | \N{EN DASH} |" in lines
    assert "LWS" not in text
    # t of one degree of freedom is 12.706
    half = 12.706 * spread / math.sqrt(2)
    few = f"{31.25:+.1f} ({31.25 - half:+.1f} to {31.25 + half:+.1f})"
    assert f"| CE | +6.2 ({6.25 - half:+.1f} to {6.25 + half:+.1f}) | {few} |" in lines
    assert (tmp_path / "table/table.md").read_text() == text
    assert len((tmp_path / "table/table.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(("data", "seeds"), [("digits_lt", 10), ("mnist5k_lt", 5)])
def test_the_tables_of_the_page_are_those_of_the_record(data: str, seeds: int) -> None:
    scores = pd.read_csv(EXPERIMENTS.parent / f"docs/records/{data}.csv")
    keys = scores[["method", "seed"]].itertuples(index=False, name=None)
    assert sorted(keys) == sorted((name, seed) for name in ROWS for seed in range(seeds))
    page = (EXPERIMENTS / "paper/recall_table4.md").read_text()
    tables = tables_of(scores, "").split("\n\n")[1::2]
    assert len(tables) == 2
    for table in tables:
        assert f"\n\n{table.strip()}\n\n" in page


def test_the_halves_of_the_page_are_those_of_the_record() -> None:
    scores = pd.read_csv(EXPERIMENTS.parent / "docs/records/digits_lt.csv")
    overall = scores.pivot(index="seed", columns="method", values="overall")
    page = (EXPERIMENTS / "paper/recall_table4.md").read_text()
    pairs = [("ce_class_aware", "ce"), *((OURS, name) for name in ("ldam", "post_hoc", "sdn_ce"))]
    for first, second in pairs:
        gains = (overall[first] - overall[second]).sort_index().tolist()
        cells = [interval(part) for part in (gains[5:], gains[:5], gains)]
        assert f" | {' | '.join(cells)} |\n" in page


def test_one_seed_has_no_interval() -> None:
    assert interval([3.0]) == ""


@pytest.mark.parametrize("name", ROWS)
def test_each_row_has_its_configurations(name: str) -> None:
    files = layers("digits_lt", *ROWS[name][1:])
    assert len(files) == 4 + is_second(ROWS[name].model)


def test_a_second_stage_of_one_method_comes_after_that_of_all() -> None:
    taken = [file.stem for file in layers("places_lt", "lws", "ce")]
    assert taken == ["base", "places_lt", "places_lt", "places_lt_lws", "lws", "ce"]
    there = set(names("stage2", PLACE))
    known = set(names("data", PLACE))
    of_one = {f"{data}_{model}" for data in known for model in SECOND_STAGES}
    assert there <= known | of_one
    assert known <= there


def test_every_configuration_is_listed() -> None:
    assert {row.model for row in ROWS.values()} == set(names("model", PLACE))
    assert {row.loss for row in ROWS.values()} == set(names("loss", PLACE))


def test_a_second_stage_is_given_the_run_of_the_first(tmp_path: Path) -> None:
    run = run_of("digits_lt", "crt", "ce", 3, tmp_path)
    assert run.folder == tmp_path / "digits_lt/crt/ce/seed3"
    first = str(tmp_path / "digits_lt/plain/ce/seed3")
    assert run.command[run.command.index("--model.stage_one") + 1] == first


def test_the_first_stage_gets_no_options_of_the_method() -> None:
    given = "--model.method_options {tau:1} --a=b --model.method_options.x=1 --model.rule oltr"
    assert without_method_options(given.split()) == ["--a=b", "--model.rule", "oltr"]
    given = "--model.head cosine --a=b --model.loss.init_args.gamma=1 --model.loss F"
    assert without_method_options(given.split()) == ["--a=b"]
    assert without_method_options(["--c", "1", "--model.method_options.x", "y"]) == ["--c", "1"]


def test_unknown_names_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match=r"unknown MODEL=sdm; did you mean 'sdn'"):
        layers("digits_lt", "sdm", "ce")
    with pytest.raises(RunError, match=r"DATA=mine\.yaml: is no file with a `data` section"):
        layers("mine.yaml", "sdn", "ce")
    assert train(["--losses", "ce"]) == 2
    assert "--losses; did you mean '--loss'?" in capsys.readouterr().err
    assert compare(["--methods", "sdn_recal", "--runs", str(tmp_path)]) == 2
    assert "there is no 'sdn_recal'" in capsys.readouterr().err
