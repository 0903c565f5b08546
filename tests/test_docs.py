"""The site is whole: it builds strictly, asks nobody else, and leaves no public name unsaid."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlp_core.params.moved import MOVED

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MODULES = re.findall(
    r"^::: ([\w.]+)$",
    "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))),
    re.MULTILINE,
)


def build(root: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """What `make docs` runs, in a folder and without a proxy to ask others through."""
    dead = "http://127.0.0.1:9"
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "http_proxy": dead, "https_proxy": dead},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT, target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the site is made from, to be broken."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copytree(ROOT / "rlp_core", tmp_path / "rlp_core", ignore=skip)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def test_every_page_is_built(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert len(pages) > 10
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"<(?:script|img|iframe|link rel=.stylesheet.)[^>]*(?:src|href)=.https?:")
    pages = {page.name: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert [name for name, text in pages.items() if loads.search(text)] == []
    # Material fetches Mermaid from elsewhere where a page has such a block
    assert [name for name, text in pages.items() if 'class="mermaid"' in text] == []


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("docs/index.md", "\n[dead](nowhere.md)\n", "nowhere.md"),
        ("docs/guides/unlisted.md", "# Unlisted\n", "guides/unlisted.md"),
        ("docs/index.md", "\n[dead](results.md#nowhere)\n", "nowhere"),
        ("docs/index.md", "\n::: rlp_core.nowhere\n", "rlp_core.nowhere"),
    ],
    ids=["link", "page outside the navigation", "anchor", "module"],
)
def test_what_is_broken_fails_the_build(copy: Path, path: str, text: str, said: str) -> None:
    with (copy / path).open("a", encoding="utf-8") as page:
        page.write(text)
    done = build(copy, copy / "site")
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_of_a_documented_module_is_described(module: str) -> None:
    base = ROOT.joinpath(*module.split("."))
    if not (base.is_dir() or base.with_suffix(".py").is_file()):  # a name in a module
        base = base.parent
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    inside = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in inside if not node.name.startswith("_"))]
    public = [
        node
        for body in bodies
        for node in body
        if isinstance(node, defined) and not node.name.startswith("_")
    ]
    assert ast.get_docstring(tree)
    assert public
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_the_changelog_names_every_key_that_moved() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert MOVED
    assert [key for key in MOVED if f"`{key}`" not in text] == []


def test_the_citation_names_software_licence_and_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["type"] == "software"
    assert citation["license"] == "Apache-2.0"
    assert "2510.01265" in citation["references"][0]["url"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_pages_outside_the_site_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
