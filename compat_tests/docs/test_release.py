"""The version, the changelog, the citation, the recipe, the tag and the workflow that publishes agree."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from aenet_py import __version__
from compat_tests.cli.cases import ROOT

WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text()
HEADINGS = re.findall(r"^## \[([^]]+)\] - (unreleased|\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
TAG = re.compile(r"v\d+\.\d+\.\d+")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def tags_here() -> list[str]:
    """The tags of releases on the commit that is checked out; none without git."""
    command = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if (ROOT / ".git").exists() else None
    return [] if done is None else list(filter(TAG.fullmatch, done.stdout.split()))


def test_changelog():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert len(HEADINGS) == len(re.findall(r"^## ", text, re.M))
    versions, dates = zip(*HEADINGS, strict=True)
    assert versions[0] == __version__
    assert list(versions) == sorted(versions, key=numbers, reverse=True)
    assert "unreleased" not in dates[1:]
    assert list(dates[1:]) == sorted(dates[1:], reverse=True)


def test_citation_and_recipe():
    for name, pattern in (("CITATION.cff", r"^version: (\S+)$"), ("recipe/recipe.yaml", r'^  version: "([^"]+)"$')):
        assert re.findall(pattern, (ROOT / name).read_text(), re.M) == [__version__]


def test_tag():
    tags = tags_here()
    assert tags in ([], [f"v{__version__}"])
    assert not tags or HEADINGS[0][1] != "unreleased"


@pytest.mark.parametrize(
    ("tag", "heading", "agrees"),
    [
        ("v1.2.3", "## [1.2.3] - 2026-12-01", True),
        ("v1.2.3", "## [1.2.3] - unreleased", False),
        ("v1.2.3", "## [1.2.30] - 2026-12-01", False),
        ("v1.2.4", "## [1.2.3] - 2026-12-01", False),
        ("v1.2.4", "## [1.2.4] - 2026-12-01", False),
    ],
)
def test_the_workflow_refuses_another_tag(tmp_path, tag, heading, agrees):
    step = re.search(r"name: The tag, the version.*?run: \|\n(.*?)\n      - ", WORKFLOW, re.S)
    (tmp_path / "aenet_py").mkdir()
    (tmp_path / "aenet_py" / "_version.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n\n## [1.2.2] - 2026-11-01\n")
    command = ["bash", "-e", "-c", step[1]]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "GITHUB_REF_NAME": tag}, check=False)
    assert (done.returncode == 0) == agrees
