"""Compiled code is kept where that can be, and where it cannot all works without. Nothing here depends on who runs it: what
cannot be written is no folder, so that even root cannot."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numba
import pytest

import neurosim
from neurosim.kernels.code_cache import own_folder

PACKAGE = Path(neurosim.__file__).parent
COUNT = """
import numpy as np
from neurosim.kernels import CODE_CACHE, histogram
out = np.zeros((1, 1), np.int64)
histogram.count_columns(np.array([[7]], np.uint8), np.zeros(8, np.int32), 1, out)
print(*CODE_CACHE, out.sum(), sum(histogram.count_columns.stats.cache_hits.values()), sep="\\n")
"""
needs_jit = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders have no owner here")


@pytest.fixture
def python(tmp_path):
    """Runs Python where nothing can be written beside the package (__pycache__ is no folder), without a home."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "neurosim", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (site / "neurosim" / "kernels" / "__pycache__").write_text("")
    (tmp_path / "tmp").mkdir()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_CACHE", "XDG_CACHE"))}
    ours |= {"HOME": "/dev/null/home", "TMPDIR": str(tmp_path / "tmp")}
    ours |= {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command, **environ):
        told = [sys.executable, *command]
        return subprocess.run(told, env=ours | environ, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture
def own(tmp_path):
    return tmp_path / "tmp" / f"neurosim-{os.getuid()}"


def counted(run, **environ):
    """(kept, folder, spikes, loads from the cache) of a kernel that ran in a process of its own."""
    found = run("-c", COUNT, **environ)
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    return found.stdout.split()


@needs_jit
@pytest.mark.small
def test_without_a_home_code_is_kept_in_a_temporary_folder_of_the_user(python, own):
    assert counted(python) == ["True", str(own), "3", "0"]
    assert own.stat().st_mode & 0o777 == 0o700
    assert counted(python) == ["True", str(own), "3", "1"]


@needs_jit
def test_the_folder_that_was_chosen_comes_first(python, own, tmp_path):
    assert counted(python, NUMBA_CACHE_DIR=str(tmp_path / "chosen")) == ["True", "None", "3", "0"]
    assert any((tmp_path / "chosen").rglob("*.nbi")) and not own.exists()


@needs_jit
def test_a_chosen_folder_that_cannot_be_written_is_passed_over(python, own):
    assert counted(python, NUMBA_CACHE_DIR="/dev/null/chosen") == ["True", str(own), "3", "0"]


@needs_jit
def test_code_is_compiled_anew_when_another_file_of_kernels_has_changed(python, tmp_path):
    counted(python)
    kernels = tmp_path / "site" / "neurosim" / "kernels"
    changed = kernels / "bits.py"
    assert (kernels / "histogram.py").read_text().count("from neurosim.kernels.bits import") == 1
    times = changed.stat()
    changed.write_text(changed.read_text() + "\n# Another.\n")
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert counted(python)[2:] == ["3", "0"]
    assert counted(python)[2:] == ["3", "1"]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"neurosim-{os.getuid()}"


@pytest.mark.parametrize("taken", [
    lambda p: p.write_text(""), lambda p: p.mkdir() or p.chmod(0o777), lambda p: p.mkdir() or p.chmod(0o750),
    lambda p: p.symlink_to(p.parent, target_is_directory=True),
], ids=["file", "anyone's", "the group's", "link"])  # fmt: skip
def test_a_folder_that_others_could_write_is_not_used(taken, temporary):
    taken(temporary)
    assert own_folder() is None


def test_a_folder_of_another_user_is_not_used(temporary, monkeypatch):
    assert own_folder() == temporary
    monkeypatch.setattr(os, "getuid", lambda found=os.getuid(): found + 1)
    temporary.with_name(f"neurosim-{os.getuid()}").mkdir(mode=0o700)
    assert own_folder() is None


# Both end in words; the first needs no kernel, the second one of the smallest.
NO_KERNEL = ("-m", "neurosim", "presets", "loihi")
ONE_KERNEL = ("-m", "neurosim", "map", str(PACKAGE.parent / "models" / "mnist_vgg_t5.h5"), "--chip", "loihi")


@needs_jit
def test_the_command_line_says_once_where_code_is_kept(python, own):
    first = python(*ONE_KERNEL)
    assert first.returncode == 0 and str(own) in first.stderr and "NUMBA_CACHE_DIR" in first.stderr
    assert first.stderr.count("\n") == 1
    assert not python(*ONE_KERNEL).stderr


@needs_jit
def test_the_command_line_says_that_code_is_not_kept(python, own):
    own.write_text("")
    for _ in range(2):
        found = python(*ONE_KERNEL)
        assert found.returncode == 0 and "cannot be kept" in found.stderr and found.stderr.count("\n") == 1
    silent = python(*ONE_KERNEL, "--quiet")
    assert silent.returncode == 0 and not silent.stderr
    assert counted(python) == ["False", "None", "3", "0"]


@needs_jit
@pytest.mark.parametrize("command", [("--help",), ("--version",), ("run", "--help"), NO_KERNEL[2:]], ids=" ".join)
def test_commands_that_compile_nothing_say_nothing_of_it(python, own, command):
    own.write_text("")
    found = python("-m", "neurosim", *command)
    assert found.returncode == 0 and found.stdout and not found.stderr


def at_terminal(*command):
    """What a command writes to a terminal that is its stderr."""
    ours, theirs = os.openpty()
    done = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    told = b""
    # Reading ends with an error when the last writer is gone.
    with suppress(OSError), open(ours, "rb", buffering=0) as terminal:
        while more := terminal.read(4096):
            told += more
    assert done.wait() == 0, told
    return told.decode()


@needs_jit
def test_people_are_told_that_it_compiles_and_only_when_it_does(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(PACKAGE.parent)
    assert "compiling" not in at_terminal(*ONE_KERNEL, "--quiet")
    shutil.rmtree(tmp_path)
    assert at_terminal(*ONE_KERNEL).count("compiling for this machine") == 1
    assert "compiling" not in at_terminal(*ONE_KERNEL)
    shutil.rmtree(tmp_path)
    silent = subprocess.run([sys.executable, *ONE_KERNEL], capture_output=True, text=True, check=True)
    assert not silent.stderr
