"""`python -m lit_seg dashboard`: writes down, publishes, and says what is wrong in a line."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml

from lit_seg.cli.commands.dashboard import main
from tests.dashboard.server import wandb_server

NAMES = ["--entity", "me", "--project", "losses"]


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no defaults from the environment."""
    for name in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_PROJECT", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A key; W&B's process of this session ends with the test."""
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    wandb.teardown()
    yield
    wandb.teardown()


def test_a_dry_run_writes_json_or_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NAMES, "--data", "camvid", "--dry-run"]) == 0
    spec = json.loads(capsys.readouterr().out)
    assert (spec["entity"], spec["project"]) == ("me", "losses")
    assert spec["workspace"]["name"] == "lit_seg losses on camvid"
    assert main([*NAMES, "--dry-run", str(tmp_path / "spec.yaml")]) == 0
    assert main([*NAMES, "--dry-run", str(tmp_path / "spec.json")]) == 0
    assert capsys.readouterr().out == ""
    loaded = [
        yaml.safe_load((tmp_path / "spec.yaml").read_text()),
        json.loads((tmp_path / "spec.json").read_text()),
    ]
    assert [spec["workspace"]["name"] for spec in loaded] == ["lit_seg losses"] * 2
    assert loaded[0].keys() == loaded[1].keys() == spec.keys()


@pytest.mark.usefixtures("_key")
def test_publishing_sends_what_a_dry_run_writes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*NAMES, "--data", "camvid", "--dry-run"]) == 0
    spec = json.loads(capsys.readouterr().out)
    with wandb_server() as (url, stored):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        assert main([*NAMES, "--data", "camvid"]) == 0
    out = capsys.readouterr().out.splitlines()
    project, report, view = stored
    assert project == {"entityName": "me", "name": "losses"}
    assert without_ids(json.loads(report["spec"])) == without_ids(spec["report"]["spec"])
    assert without_ids(json.loads(view["spec"])) == without_ids(spec["workspace"]["spec"])
    assert (report["type"], view["type"]) == ("runs", "project-view")
    assert (report["entityName"], view["projectName"]) == ("me", "losses")
    short = view["name"].removeprefix("nw-").removesuffix("-v")
    assert out[0] == f"view    {url}/me/losses?nw={short}"
    assert out[1].startswith(f"report  {url}/me/losses/reports/")


def without_ids(value: Any) -> Any:
    """They are drawn anew each time."""
    if isinstance(value, dict):
        return {k: without_ids(v) for k, v in value.items() if k not in ("id", "__id__", "ref")}
    return [without_ids(item) for item in value] if isinstance(value, list) else value


@pytest.mark.usefixtures("_key")
def test_what_the_server_refuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with wandb_server(refuse="permission denied") as (url, stored):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        assert main(NAMES) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: me/losses: W&B does not take the dashboards (")
    assert "permission denied" in error
    assert len(stored) == 1  # the project, no view of it


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (NAMES, "error: W&B: no key on this machine; `wandb login` stores one"),
        ([], "error: the following arguments are required: --entity; see"),
        (["--entity", "me/losses"], "error: --entity must be one name, got 'me/losses'"),
        ([*NAMES, "--dryrun"], "error: unrecognized arguments: --dryrun; did you mean"),
        ([*NAMES, "--dry-run", "no/such.json"], "error: no/such.json: cannot be written (No such"),
    ],
)
def test_mistakes_are_a_line(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_without_the_package_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("lit_seg.dashboard")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("wandb_workspaces", "wandb_workspaces.reports.v2", "wandb_workspaces.workspaces"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr("lit_seg.dashboard", raising=False)
    assert main([*NAMES, "--dry-run"]) == 2
    assert "pip install 'lit-seg[dashboards]'" in capsys.readouterr().err


def test_names_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_ENTITY", "team")
    assert main(["--dry-run"]) == 0
    spec = json.loads(capsys.readouterr().out)
    assert (spec["entity"], spec["project"]) == ("team", "lit_seg")
