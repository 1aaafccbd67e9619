"""The folder of all that is kept between runs."""

from pathlib import Path

import pytest

from analysis import state


def test_the_option_goes_before_the_environment_and_that_before_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOYALTY_STATE", raising=False)
    assert state.at().root == tmp_path / ".loyalty"
    monkeypatch.setenv("LOYALTY_STATE", str(tmp_path / "elsewhere"))
    assert state.at().root == tmp_path / "elsewhere"
    assert state.at(tmp_path / "given").root == tmp_path / "given"


def test_every_folder_of_the_state_is_closed_to_others(tmp_path: Path) -> None:
    kept = state.at(tmp_path / "state")
    folders = [kept.ledger.parent, kept.cache, kept.log.parent, kept.root]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 4
