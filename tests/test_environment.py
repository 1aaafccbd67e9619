"""pyproject.toml, environment.yml and the lock say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
ASKED = {"jupyterlab", "pandas", "statsmodels", "seaborn", "lifelines", "papermill", "pytest"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
REQUIRED = [Requirement(line) for line in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]]
EXTRAS = [*PROJECT["project"]["optional-dependencies"].values(), PROJECT["dependency-groups"]["engines"]]
OPTIONAL = [Requirement(line) for extra in EXTRAS for line in extra]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock="requirements.lock"):
    found = {}
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line):
            found.setdefault(canonical(match[1]), set()).add(Version(match[2]))
    return found


@pytest.mark.parametrize("requirement", REQUIRED, ids=str)
def test_every_requirement_is_met_by_the_lock(requirement):
    versions = pins()[canonical(requirement.name)]
    assert versions
    assert all(requirement.specifier.contains(v) for v in versions)


@pytest.mark.parametrize("requirement", [*REQUIRED, *OPTIONAL], ids=str)
def test_every_extra_is_met_by_the_lock_of_the_engines(requirement):
    versions = pins("requirements-engines.lock")[canonical(requirement.name)]
    assert versions
    assert all(requirement.specifier.contains(v) for v in versions)


def test_the_two_locks_agree():
    small, large = pins(), pins("requirements-engines.lock")
    assert {name: versions - large[name] for name, versions in small.items() if versions - large[name]} == {}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-engines.lock"])
def test_every_pin_has_a_hash_and_nothing_has_an_address(lock):
    text = (ROOT / lock).read_text("utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(blocks) > 100
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_environment_yml_lists_the_seven_packages_with_the_projects_own_bounds():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    plain = [d for d in environment["dependencies"] if isinstance(d, str)]
    listed = {r.name: r for r in map(Requirement, plain)}
    bounds = {r.name: r.specifier for r in REQUIRED}
    assert set(listed) == ASKED | {"python", "pip"}
    assert {name: listed[name].specifier for name in ASKED} == {name: bounds[name] for name in ASKED}
    assert str(listed["python"].specifier) == str(Requirement(f"x{PROJECT['project']['requires-python']}").specifier)
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}


def test_every_dependency_is_named_with_its_reason():
    choices = (ROOT / "CHOICES.md").read_text("utf-8")
    missing = [r.name for r in [*REQUIRED, *OPTIONAL] if f"| {r.name} |" not in choices]
    assert not missing
