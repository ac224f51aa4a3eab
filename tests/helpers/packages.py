"""Packages that are installed without being built, and the blocks of a document."""

import importlib
import re
import sys
import tomllib


def install(folder, name, entries, files=None, version="1.0"):
    """A package in *folder* as an installer leaves it: *files* by path, and *entries*, {group: {name: value}}."""
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in found.items()) for group, found in entries.items()
    )
    (info / "entry_points.txt").write_text(groups)
    importlib.invalidate_caches()
    return folder


def blocks(text, kind):
    """The code blocks of a document, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def files_of(text):
    """{path: content} of the blocks that begin with a comment that names their file."""
    found = {}
    for block in (*blocks(text, "python"), *blocks(text, "toml")):
        if named := re.match(r"# (\S+\.\w+)\n", block):
            found[named[1]] = block
    return found


def install_documented(folder, text):
    """The package whose files a document shows."""
    files = files_of(text)
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    modules = {path.partition("/")[0] for path in files}
    return install(folder, project["name"], project["entry-points"], files | {f"{m}/__init__.py": "" for m in modules})


def use(folder, monkeypatch):
    """Puts what is installed in *folder* on the path of modules of this process, and forgets it afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    tops = {path.name.removesuffix(".py") for path in folder.iterdir()}
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def under(text, heading):
    """The part of a document below a heading of the second level."""
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def patched(root, text):
    """Applies the diffs of a document to the files below *root*; each part must fit in exactly one place."""
    for block in blocks(text, "diff"):
        head, _, body = block.partition("\n")
        for hunk in filter(None, body.split("@@\n")):
            lines = hunk.rstrip("\n").split("\n")
            old, new = ("\n".join(line[1:] for line in lines if line[:1] != sign) for sign in "+-")
            replaced(root / head.split()[1], old, new)


def replaced(path, old, new):
    """Puts *new* in the only place where a file says *old*."""
    content = path.read_text(encoding="utf-8")
    assert content.count(old) == 1, (path, old, content.count(old))
    path.write_text(content.replace(old, new), encoding="utf-8")
